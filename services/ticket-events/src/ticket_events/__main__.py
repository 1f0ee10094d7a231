"""`python -m ticket_events [serve|migrate]`: picks the role of this process."""

import sys

from roster_common.runtime.entry import run_service
from ticket_events.bootstrap import build
from ticket_events.settings import SCHEMA, Settings


def main(arguments: list[str]) -> int:
    """Run a role; returns the exit code."""
    return run_service(arguments, settings=Settings, build=build, schema=SCHEMA)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
