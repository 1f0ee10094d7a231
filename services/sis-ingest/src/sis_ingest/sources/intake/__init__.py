"""Registrations of students to come, so that a family types once: signed webhooks and a CSV."""
