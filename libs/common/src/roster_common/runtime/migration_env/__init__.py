"""Alembic's environment and template, shared by the migrations of every schema."""
