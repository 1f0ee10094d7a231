"""Use cases: one verb per module; take ports, open the transaction, return a value."""
