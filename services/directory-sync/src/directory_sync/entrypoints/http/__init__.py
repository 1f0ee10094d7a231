"""HTTP pages for operators."""
