"""The face of a SIS that speaks plain OneRoster 1.1 and 1.2, in the manner of a roster server."""
