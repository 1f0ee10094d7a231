"""Alembic migrations of schema directory_sync."""
