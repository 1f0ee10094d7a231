"""Signed webhooks before anybody knows what they are about: proof, envelope, CloudEvents.

Between ports and vendor rooms, so that rooms need not know one another.
"""
