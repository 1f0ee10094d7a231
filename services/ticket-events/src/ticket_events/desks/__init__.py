"""Vendor rooms: one folder per help desk. See README.md here for what a room holds."""
