"""One module per command; each parses its options, calls one thing, and prints."""
