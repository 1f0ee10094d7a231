"""Doors that open by themselves: loops."""
