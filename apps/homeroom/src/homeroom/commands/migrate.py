"""`homeroom migrate`: bring the database of HOMEROOM_DATABASE_URL, and Kafka, to the present."""

from homeroom import migrate as migrations
from homeroom.commands.options import display
from homeroom.errors import CommandFailed
from homeroom.settings import CommandSettings


def migrate() -> None:
    """Apply all pending migrations; declare the topics on Kafka where there is one. Repeatable."""
    settings = CommandSettings()
    if settings.database_url is None:
        raise CommandFailed("set HOMEROOM_DATABASE_URL to the database to migrate")
    screen = display()
    migrations.migrate_all(
        settings.database_url.get_secret_value(),
        on_schema=lambda schema: screen.say(f"migrating {schema}"),
    )
    screen.good("every schema is at the present")
    if settings.kafka_bootstrap is not None:
        migrations.declare_on_kafka(settings.kafka_bootstrap)
        screen.good("every topic stands on Kafka")
