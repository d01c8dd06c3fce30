"""How many rows of work a batch takes, so that its calls to Zoho are full though some rows need none."""

from dataclasses import dataclass, field

from contracts.ids import PipelineId, TenantId
from contracts.work import CHUNK_SIZE
from sync.work_store import Turn

FULL_CALL = 100
FULL_ENOUGH = 97
"""Worth a call: three rows more would cost as much again to take and to fetch."""
MOST_ROWS = 1_000
"""Rows that one batch looks through for a full call."""


def rows_to_add(found: int, *, looked_through: int) -> int:
    """How many further rows to take for a full call, when `found` of those looked through need one."""
    left = MOST_ROWS - looked_through
    if found >= FULL_ENOUGH or left <= 0:
        return 0
    return max(1, min(_expected(FULL_CALL - 1 - found, found, looked_through), left))


def _expected(wanted: int, found: int, looked_through: int) -> int:
    """Rows in which so many need a call. A little less is wanted than a full call needs: what is too much is
    put back, and fetched twice."""
    return wanted * looked_through // max(1, found)


@dataclass(frozen=True, slots=True)
class FullCalls:
    """What the last batch of each pipeline needed is what its next one takes at once."""

    _rows: dict[tuple[TenantId, PipelineId], int] = field(
        default_factory=dict[tuple[TenantId, PipelineId], int]
    )

    def rows(self, turn: Turn) -> int:
        """Rows for a batch of this pipeline."""
        return self._rows.get((turn.tenant, turn.pipeline), FULL_CALL)

    def note(self, tenant: TenantId, pipeline: PipelineId, *, found: int, looked_through: int) -> None:
        """A batch looked through so many rows, of which `found` needed a call."""
        if looked_through >= CHUNK_SIZE:  # of fewer, chance says more than the pipeline
            rows = _expected(FULL_CALL - 1, found, looked_through)
            self._rows[tenant, pipeline] = min(max(rows, FULL_CALL), MOST_ROWS)
