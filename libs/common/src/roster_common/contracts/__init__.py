"""What stands on the log: topics, event types, their envelope and their bytes. Pure: no I/O."""
