"""One module per port; all SQL of this service stands here."""
