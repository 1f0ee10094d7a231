"""`python -m directory_sync [serve|migrate]`: picks the role of this process."""

import sys

from directory_sync.bootstrap import build
from directory_sync.settings import SCHEMA, Settings
from roster_common.runtime.entry import run_service


def main(arguments: list[str]) -> int:
    """Run a role; returns the exit code."""
    return run_service(arguments, settings=Settings, build=build, schema=SCHEMA)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
