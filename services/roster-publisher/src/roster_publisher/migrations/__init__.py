"""This service's own schema; nobody else reads its tables."""
