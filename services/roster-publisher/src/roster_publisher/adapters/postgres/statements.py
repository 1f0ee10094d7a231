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
