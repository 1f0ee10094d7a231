"""FastAPI doors: token, status, republish."""
