"""Doors of the event log."""
