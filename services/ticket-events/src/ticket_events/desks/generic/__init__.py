"""The generic signed desk webhook. See README.md here."""
