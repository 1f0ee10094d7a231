"""Our side of the outside: PostgreSQL, events, HTTP."""
