"""`k12.directory.account.*.v1`: what was done to an account in a target directory.

On `directory.accounts`. Names are carried by `named` alone; the others name attributes only.
"""

from roster_common.contracts.envelope import EventData
from roster_common.contracts.values import Count, Moment, SourcedId, Text


class AccountNamed(EventData):
    """A target allocated the person's username or e-mail; the publisher takes them over."""

    TYPE = "k12.directory.account.named.v1"
    TOPIC = "directory.accounts"

    person_id: SourcedId
    target: Text
    username: Text | None = None
    email: Text | None = None

    def entity_key(self) -> str:
        """`person/{personId}`."""
        return f"person/{self.person_id}"


class AccountAction(EventData):
    """Base of the actions; `account_id` is the target's own id, absent before it exists."""

    TOPIC = "directory.accounts"

    target: Text
    person_id: SourcedId
    account_id: Text | None = None
    attributes_changed: tuple[Text, ...] = ()
    attempt: Count = 1
    error_code: Text | None = None

    def entity_key(self) -> str:
        """`person/{personId}`."""
        return f"person/{self.person_id}"


class AccountPlanned(AccountAction):
    """An action is decided, not done."""

    TYPE = "k12.directory.account.planned.v1"


class AccountCreated(AccountAction):
    """The account exists."""

    TYPE = "k12.directory.account.created.v1"


class AccountUpdated(AccountAction):
    """Attributes changed."""

    TYPE = "k12.directory.account.updated.v1"


class AccountRenamed(AccountAction):
    """The sign-in name changed."""

    TYPE = "k12.directory.account.renamed.v1"


class AccountMoved(AccountAction):
    """The account stands in another container."""

    TYPE = "k12.directory.account.moved.v1"


class AccountDisabled(AccountAction):
    """The account cannot sign in."""

    TYPE = "k12.directory.account.disabled.v1"


class AccountEnabled(AccountAction):
    """The account can sign in again."""

    TYPE = "k12.directory.account.enabled.v1"


class AccountDeleteScheduled(AccountAction):
    """The account will be deleted at `due_at` unless the person returns."""

    TYPE = "k12.directory.account.deletescheduled.v1"

    due_at: Moment | None = None


class AccountDeleted(AccountAction):
    """The account is gone."""

    TYPE = "k12.directory.account.deleted.v1"


class AccountFailed(AccountAction):
    """An action failed at attempt `attempt` with the stable `error_code`."""

    TYPE = "k12.directory.account.failed.v1"
