"""SCIM 2.0 directories (RFC 7643, RFC 7644)."""
