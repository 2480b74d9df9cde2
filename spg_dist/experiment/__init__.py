"""One experiment: which runs it needs, where their files are, how one is trained and tested."""
