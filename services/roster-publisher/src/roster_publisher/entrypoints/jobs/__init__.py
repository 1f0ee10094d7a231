"""Loops that call a use case."""
