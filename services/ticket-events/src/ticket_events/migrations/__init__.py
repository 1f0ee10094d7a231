"""Alembic migrations of schema ticket_events."""
