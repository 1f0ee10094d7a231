"""What every face shares of HTTP: the back door of tests, credentials, faults and counting."""
