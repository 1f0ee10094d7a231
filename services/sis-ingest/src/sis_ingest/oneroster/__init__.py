"""OneRoster over REST as a consumer meets it: one client and one wording for every SIS that
speaks it. Between ports and vendor rooms, so that rooms need not know one another.
"""
