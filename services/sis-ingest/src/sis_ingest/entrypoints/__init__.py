"""Doors: parse, call one use case, answer."""
