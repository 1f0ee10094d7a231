"""Which old tombstones may go."""

import pytest

from roster_publisher.domain.records import Key
from roster_publisher.domain.retention import releasable

MUM, KID, SIS = Key("user", "mum"), Key("user", "kid"), Key("user", "sis")
BIRTH = Key("demographics", "kid")


@pytest.mark.parametrize(
    ("old", "pointers", "goes"),
    [
        ({MUM, KID}, [], {MUM, KID}),
        ({MUM}, [(KID, "mum")], set()),
        ({MUM, KID}, [(KID, "mum"), (MUM, "kid")], {MUM, KID}),
        ({MUM, KID}, [(KID, "mum"), (MUM, "kid"), (SIS, "mum")], set()),
        ({MUM, KID, SIS}, [(MUM, "mum"), (SIS, "kid")], {MUM, KID, SIS}),
        # Nothing points at demographics: an id they share with a user stands for the user.
        ({BIRTH, KID}, [(SIS, "kid")], {BIRTH}),
    ],
)
def test_what_only_goers_point_at_goes(
    old: set[Key], pointers: list[tuple[Key, str]], goes: set[Key]
) -> None:
    assert releasable(old, pointers) == goes
