"""Rules of truth: pure and synchronous; no clock, no I/O, no wire models, no settings."""
