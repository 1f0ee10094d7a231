"""Collects the values of a statement while its text is put together. Runs nothing."""

from typing import Any


class Statement:
    """`bind` gives the placeholder of a value."""

    def __init__(self, *values: Any) -> None:
        self.values: list[Any] = list(values)

    def bind(self, value: Any) -> str:
        """Add a value; returns its placeholder."""
        self.values.append(value)
        return f"${len(self.values)}"


def written_over(
    row: str, revision: str, statement: Statement, *, district: str, entity: str
) -> str:
    """What makes a row of the history the version at `revision`, a placeholder.

    It says the lane as the index on revisions has it; without it all of the history would be read.
    """
    lane = statement.bind(f"{district}/{entity}")
    return (
        f"{row}.district_id || '/' || {row}.entity = {lane}"
        f" AND {row}.rev_from <= {revision} AND {row}.rev_to > {revision}"
    )
