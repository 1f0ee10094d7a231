"""The OneRoster 1.2 reads as a plain ASGI app."""
