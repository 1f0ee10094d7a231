"""One table of text as a vendor room meets it: a CSV file that somebody exported by hand.

Between ports and vendor rooms, so that rooms need not know one another.
"""
