"""OneRoster CSV: packages of 1.0, 1.1 and 1.2, bulk and delta."""
