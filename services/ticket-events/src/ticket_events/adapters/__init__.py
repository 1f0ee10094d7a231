"""Our side of the outside: PostgreSQL and events."""
