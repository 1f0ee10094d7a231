"""Any SIS that speaks OneRoster 1.1 or 1.2 over REST."""
