"""Migrations of schema `log`, which libs/common owns (blueprint, storage and transport)."""
