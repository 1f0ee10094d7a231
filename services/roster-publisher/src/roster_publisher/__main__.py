"""`python -m roster_publisher [serve|migrate]`: picks the role of this process."""

import sys

from roster_common.runtime.entry import run_service
from roster_publisher.bootstrap import SCHEMA, build
from roster_publisher.settings import Settings


def main(arguments: list[str]) -> int:
    """Run a role; returns the exit code."""
    return run_service(arguments, settings=Settings, build=build, schema=SCHEMA)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
