"""OneRoster CSV: 1.1 and 1.2 archives, bulk and delta."""
