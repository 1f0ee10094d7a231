"""What every face shares of HTTP: the desk of tests, credentials, faults and counting."""
