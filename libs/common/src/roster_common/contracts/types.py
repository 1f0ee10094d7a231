"""The modules that hold event classes. A new event is one line here and one in `topics.toml`."""

from types import ModuleType
from typing import Final

from roster_common.contracts import (
    asset_v1,
    deadletter_recorded_v1,
    directory_account_v1,
    directory_state_v1,
    identity_crosswalk_v1,
    record_tobedeleted_v1,
    record_upserted_v1,
    roster_class_v1,
    roster_lifecycle_v1,
    roster_person_v1,
    safety_breaker_v1,
    sis_runs_v1,
    ticket_measure_v1,
    ticket_v1,
    user_keychanged_v1,
)

EVENT_MODULES: Final[tuple[ModuleType, ...]] = (
    asset_v1,
    deadletter_recorded_v1,
    directory_account_v1,
    directory_state_v1,
    identity_crosswalk_v1,
    record_tobedeleted_v1,
    record_upserted_v1,
    roster_class_v1,
    roster_lifecycle_v1,
    roster_person_v1,
    safety_breaker_v1,
    sis_runs_v1,
    ticket_measure_v1,
    ticket_v1,
    user_keychanged_v1,
)
