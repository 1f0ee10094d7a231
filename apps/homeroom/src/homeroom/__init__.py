"""Homeroom on one box: the command, the supervisor of its processes, and the demo."""
