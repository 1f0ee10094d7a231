"""Which districts a page shows, and which a file may be about."""

from collections.abc import Sequence

from roster_common.runtime.problems import FieldError, Problem
from roster_common.runtime.tokens import Operator
from ticket_events.domain.ids import DistrictId
from ticket_events.ports import DeviceViews


def districts_of(operator: Operator, wanted: str | None) -> Sequence[str] | None:
    """None for a token of every district; a wanted one outside the token leaves nothing to see."""
    if wanted is not None:
        return [wanted] if operator.may_see(wanted) else []
    return None if operator.districts is None else sorted(operator.districts)


async def ensure_known(operator: Operator, district: str, views: DeviceViews) -> None:
    """Raise the 404 problem for a district outside the token, or that nobody told of.

    A token that names the district is believed; one of every district says nothing of this one.
    """
    operator.ensure(district)
    if operator.districts is None and not await views.knows(DistrictId(district)):
        raise Problem(
            404,
            "unknown_district",
            "No roster and no desk told of this district",
            errors=[FieldError(field="district", message="unknown_district", location="query")],
        )
