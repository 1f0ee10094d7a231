"""The demo: a made-up district, and a story told to the running services from outside."""
