"""Work out the state of classes that are marked. Takes no input.

One transaction per turn. Runs twice harmlessly: an unchanged state emits nothing unless the mark
forces it (republish).
"""

from roster_publisher.domain.people import state_hash
from roster_publisher.ports import Clock
from roster_publisher.ports.states import StateUnits


class DeriveClasses:
    """Derives up to `batch` classes per turn."""

    def __init__(self, units: StateUnits, clock: Clock, *, batch: int = 500) -> None:
        self._units = units
        self._clock = clock
        self._batch = batch

    async def __call__(self) -> int:
        """Do one batch of one district and commit; returns how many marks it took."""
        now = self._clock.now()
        async with self._units.begin() as unit:
            district_id, marks = await unit.claim_classes(now=now, limit=self._batch)
            if not marks:
                return 0
            causes = {mark.id: mark for mark in marks}
            ids = sorted(causes)
            revision = await unit.revision(district_id)
            before = await unit.class_hashes(district_id, ids)
            hashes: dict[str, bytes] = {}
            for state in await unit.classes(district_id, ids):
                digest, mark = state_hash(state), causes[state.class_id]
                if before.get(state.class_id) != digest or mark.force:
                    hashes[state.class_id] = digest
                    unit.emit_class(district_id, state, revision=revision, cause=mark.cause)
            if hashes:
                await unit.keep_classes(district_id, hashes, revision=revision)
            return len(marks)
