"""Our side of the outside: PostgreSQL, and domain facts as contract events."""
