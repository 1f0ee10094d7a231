"""The event subscription: what we ask PowerSchool to tell, and whether it stands as it should."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sis_ingest.ports.pulls import Access, Finding
from sis_ingest.sources.powerschool.rest import BASE, Rest
from sis_ingest.sources.powerschool.verify import echoed_key, path_token

_WHAT: Final = "event subscription"
_EVENTS: Final[Sequence[tuple[str, str]]] = (
    *((kind, event)
      for kind in ("student", "staff", "section", "course", "section_enrollment")
      for event in ("INSERT", "UPDATE", "DELETE")),
    ("student", "SCHOOL_ENROLLMENT"),
    ("test_subscription", "UPDATE"),
)  # fmt: skip


class Subscription:
    """Needs the option `callbackUrl`: where PowerSchool reaches `/webhooks/{source}` of ours."""

    def __init__(self, rest: Rest, access: Access) -> None:
        self._rest = rest
        self._callback = access.options.get("callbackUrl", "").rstrip("/")
        self._secrets = access.secrets

    async def examine(self) -> Sequence[Finding]:
        """Whether it stands with our key, our address and every event."""
        if not self._secrets or not self._callback:
            detail = "no secret or no callbackUrl is set: changes come by pulls only"
            return [Finding(what=_WHAT, ok=True, detail=detail)]
        stands = await self._rest.subscription()
        wrong = _differences(stands, [self._wanted(secret) for secret in self._secrets])
        if not stands:
            wrong = ["there is none"]
        detail = ", ".join(wrong) or f"{len(_EVENTS)} events"
        return [Finding(what=_WHAT, ok=not wrong, detail=detail)]

    async def repair(self) -> Sequence[Finding]:
        """Replaces the whole set by ours, under the first secret."""
        if not self._secrets or not self._callback:
            return ()
        await self._rest.subscribe(self._wanted(self._secrets[0]))
        return [Finding(what=_WHAT, ok=True, detail="set up anew")]

    def _wanted(self, secret: str) -> Mapping[str, Any]:
        return {
            "key": echoed_key(secret),
            "callback_url": f"{self._callback}/{path_token(secret)}",
            "event_subscription": [
                {"resource": f"{BASE}/{kind}/*", "event_type": event} for kind, event in _EVENTS
            ],
        }


def _differences(stands: Mapping[str, Any], wanted: Sequence[Mapping[str, Any]]) -> list[str]:
    """In words without the values: they are secrets."""
    wrong: list[str] = []
    if stands.get("key") not in [one["key"] for one in wanted]:
        wrong.append("another key")
    if stands.get("callback_url") not in [one["callback_url"] for one in wanted]:
        wrong.append("another callback address")
    lines = stands.get("event_subscription") or []
    there = {
        (str(one.get("resource")).removeprefix(f"{BASE}/").removesuffix("/*"), one["event_type"])
        for one in (lines if isinstance(lines, list) else [lines])
        if isinstance(one, dict) and "event_type" in one
    }
    missing = [f"{kind} {event}" for kind, event in _EVENTS if (kind, event) not in there]
    if missing:
        wrong.append(f"not told: {', '.join(missing[:5])}" + (" …" if missing[5:] else ""))
    return wrong
