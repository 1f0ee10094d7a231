"""People and systems outside: they know addresses, secrets and public protocols, nothing else."""
