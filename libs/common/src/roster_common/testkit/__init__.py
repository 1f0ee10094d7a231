"""Fakes of our ports for tests; never imported by a service."""
