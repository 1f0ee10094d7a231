"""I/O that knows no domain: database, log, HTTP, settings, health, lifecycle."""
