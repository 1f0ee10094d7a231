"""directory-sync: turns roster state into accounts and groups in directories."""
