"""What a starter answers when a part cannot be had here: a value, because it is expected."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """`part` cannot be had; `reason` is one line for a person and says what would help."""

    part: str
    reason: str

    def __str__(self) -> str:
        return f"{self.part} is not available: {self.reason}"
