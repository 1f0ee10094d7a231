"""`homeroom migrate`: bring the database of HOMEROOM_DATABASE_URL to the present."""

from homeroom import migrate as migrations
from homeroom.commands.options import display
from homeroom.errors import CommandFailed
from homeroom.settings import CommandSettings


def migrate() -> None:
    """Apply all pending migrations of the log and of every service; may run twice."""
    url = CommandSettings().database_url
    if url is None:
        raise CommandFailed("set HOMEROOM_DATABASE_URL to the database to migrate")
    screen = display()
    migrations.migrate_all(
        url.get_secret_value(), on_schema=lambda schema: screen.say(f"migrating {schema}")
    )
    screen.good("every schema is at the present")
