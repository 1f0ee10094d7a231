"""What an effect goes back to. Pure."""

from dataclasses import dataclass

# Telling a district for the first time or again: nothing happened, so nobody has to do anything.
_QUIET_ORIGINS = frozenset({"firstload", "republish"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """The delivery, the event that told us (None when none did), how it entered the house."""

    correlation_id: str
    origin: str
    causation_id: str | None = None

    @property
    def is_quiet(self) -> bool:
        """Whether nobody is to do anything because of it."""
        return self.origin in _QUIET_ORIGINS
