"""OneRoster over REST, shared by the faces: shapes of 1.1 and 1.2, queries, pages.

A face says how its ids are formed, who is seen, and what stands in metadata.
"""
