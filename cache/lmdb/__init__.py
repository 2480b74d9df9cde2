"""The LMDB store: one file with random access and transactions, for a local disk."""
