"""Real parts for one box: PostgreSQL, Kafka and a SCIM directory, as processes that we start.

For demos, tests and a first evening with the product. Imports nothing of the services.
"""
