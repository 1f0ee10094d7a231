"""Staff as the financial or HR system has them: one CSV of all, for people whom no SIS knows."""
