"""Alembic's environment for every schema of the installation; run by runtime/migrations.py only.

The connection and the schema come in through the config's attributes; nothing is read here.
"""

from alembic import context

attributes = context.config.attributes
context.configure(
    connection=attributes["connection"],
    version_table="migrations",
    version_table_schema=attributes["schema"],
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
