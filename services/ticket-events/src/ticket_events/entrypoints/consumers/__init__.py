"""Doors for events from the log."""
