"""Runs the `scim2-server` command with a bearer token read from standard input.

The command takes tokens only as arguments, which every user of the machine can list. Run as a
file in a process of its own, it hands the token over inside that process.
"""

import sys
from importlib.metadata import entry_points


def main() -> None:
    """Reads one line, the token, and becomes the command with the arguments given."""
    token = sys.stdin.readline().strip()
    (command,) = entry_points(group="console_scripts", name="scim2-server")
    # One argument: a token may begin with a dash.
    sys.argv = ["scim2-server", *sys.argv[1:], f"--bearer-token={token}"]
    command.load()()


if __name__ == "__main__":
    main()
