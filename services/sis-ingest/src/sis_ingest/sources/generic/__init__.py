"""Generic SIS: signed webhooks whose data is a OneRoster 1.2 object."""
