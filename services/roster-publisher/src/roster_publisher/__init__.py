"""roster-publisher: owns publication. Revision, stamp, tombstone, scope, grant and feed."""
