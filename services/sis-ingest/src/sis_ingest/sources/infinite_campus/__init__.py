"""Infinite Campus, read through its OneRoster API."""
