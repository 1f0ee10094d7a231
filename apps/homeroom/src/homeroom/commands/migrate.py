"""`homeroom migrate`: bring the database of HOMEROOM_DATABASE_URL, and Kafka, to the present."""

from homeroom import given_database
from homeroom import migrate as migrations
from homeroom.commands.options import display
from homeroom.errors import CommandFailed, ServiceAway
from homeroom.parts import postgres_admin
from homeroom.settings import command_settings


def migrate() -> None:
    """Bring the database of HOMEROOM_DATABASE_URL to the present. Repeatable.

    With HOMEROOM_KAFKA_BOOTSTRAP it declares the topics there too. No `up` or `demo` empties the
    database afterwards.
    """
    settings = command_settings()
    if settings.database_url is None:
        raise CommandFailed("set HOMEROOM_DATABASE_URL to the database to migrate")
    screen = display()
    url = settings.database_url.get_secret_value()
    # Who migrates by hand means to keep it: no later `up` or `demo` may empty it.
    try:
        given_database.unmark(url)
    except postgres_admin.UNREACHABLE as error:
        why = type(error).__name__
        raise ServiceAway(f"the database of HOMEROOM_DATABASE_URL is away ({why})") from None
    migrations.migrate_all(url, on_schema=lambda schema: screen.say(f"migrating {schema}"))
    screen.good("every schema is at the present")
    if settings.kafka_bootstrap is not None:
        migrations.declare_on_kafka(
            settings.kafka_bootstrap,
            prefix=settings.kafka_topic_prefix,
            replication=settings.kafka_replication,
        )
        screen.good("every topic stands on Kafka")
