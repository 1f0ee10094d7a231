"""Doors: they parse, call one use case, answer."""
