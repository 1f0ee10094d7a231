"""Which districts a page shows."""

from collections.abc import Sequence

from roster_common.runtime.tokens import Operator


def districts_of(operator: Operator, wanted: str | None) -> Sequence[str] | None:
    """None for a token of every district; a wanted one outside the token leaves nothing to see."""
    if wanted is not None:
        return [wanted] if operator.may_see(wanted) else []
    return None if operator.districts is None else sorted(operator.districts)
