"""Raw SQL of this service's schema, one module per port."""
