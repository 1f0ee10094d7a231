"""The face of Infinite Campus: OneRoster of both versions in its own manner, and Data Extract."""
