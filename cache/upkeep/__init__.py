"""Looking after caches: listing, verification, repair, compaction, removal, conversion, Parquet, the command line."""
