"""Core and raw SQL of this service's schema, one module per port."""
