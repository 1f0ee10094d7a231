"""A school office's records, neutral of any product: the generator, the tables, the clerk."""
