"""The Arrow store: flat shards in Arrow IPC files, memory-mapped, on any filesystem of pyarrow."""
