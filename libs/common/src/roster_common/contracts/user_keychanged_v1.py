"""`k12.roster.user.keychanged.v1`: a source renamed its keys; our id stays. On `sis.changes`."""

from roster_common.contracts.envelope import EventData
from roster_common.contracts.values import SourcedId, Text


class UserKeyChanged(EventData):
    """`reason` is a stable word: `sis_migration`, `merge`, `split` or `renumber`.

    A key that could say who somebody is, as an address does, is `withheld`.
    """

    TYPE = "k12.roster.user.keychanged.v1"
    TOPIC = "sis.changes"

    person_id: SourcedId
    old_keys: tuple[Text, ...]
    new_keys: tuple[Text, ...]
    reason: Text

    def entity_key(self) -> str:
        """The key of the person's own upserts, so that the order between them holds."""
        return f"user/{self.person_id}"
