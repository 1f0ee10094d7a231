"""PostgreSQL behind the ports of this service: schema `sis_ingest`, one module per store."""
