"""What an operator says of a target is checked when the process starts, not when it is used."""

import pytest
from pydantic import ValidationError

from directory_sync.settings import TargetSettings

TARGET = {
    "id": "t",
    "district": "north",
    "kind": "scim",
    "url": "http://target/v2",
    "token": "t",
    "roles": ["student"],
}


@pytest.mark.parametrize("zone", ["America/New York", "", "/etc", "../etc", "Mars/Olympus"])
def test_a_time_zone_that_does_not_exist_is_refused(zone):
    with pytest.raises(ValidationError, match="timeZone"):
        TargetSettings.model_validate(TARGET | {"timeZone": zone})


@pytest.mark.parametrize("domain", ["", "@north.example", "north example", "a..b", "-a.example"])
def test_a_domain_that_no_address_can_have_is_refused(domain):
    with pytest.raises(ValidationError, match="emailDomain"):
        TargetSettings.model_validate(TARGET | {"emailDomain": domain})


def test_a_zone_and_a_domain_that_exist_are_taken():
    more = {"timeZone": "America/New_York", "emailDomain": "k12.north-hill.example"}

    assert TargetSettings.model_validate(TARGET | more).time_zone == "America/New_York"
