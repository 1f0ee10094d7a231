"""Migrations of the schema `sis_ingest`."""
