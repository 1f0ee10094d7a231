"""Our side of the outside: database, files, the event log."""
