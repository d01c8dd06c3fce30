"""What a dry run adds up, and what it would cost. Pure."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import assert_never

from contracts.rpc.sync_dry_run import DryRunCounts, DryRunCredits
from contracts.rpc.sync_parked import ParkedCause
from contracts.rpc.sync_preview import Foreseen
from sync.batch import Merging, Settled, Unsettled, Verdict
from sync.bulk_write import fits
from sync.pipelines import Pipeline
from sync.retry import Park
from zoho.client import MAX_RECORDS

MOST_REASONS = 20
OTHER_REASONS = "andere Gründe"
RECORDS_OF_ONE_CREDIT = 10
BULK_CREDITS = 500
_SETTLED = {
    None: Foreseen.UNCHANGED,
    "excluded": Foreseen.EXCLUDED,
    "gone": Foreseen.GONE,
    "gone_in_zoho": Foreseen.GONE_IN_ZOHO,
}
_WITH_NUMBERS = {ParkedCause.OBJECT_UNKNOWN: "abgelehnt: das Objekt war in keiner Lieferung"}
"""Reasons that would name the object, told without it."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Adds up; `totals` are the other fields of `DryRunCounts` by name."""

    outcomes: Counter[Foreseen] = field(default_factory=Counter[Foreseen])
    parked: Counter[str] = field(default_factory=Counter[str])
    totals: Counter[str] = field(default_factory=Counter[str])

    def add(self, pipeline: Pipeline, found: Iterable[Merging | Verdict]) -> None:
        """Count what would become of some objects, as `merge_both` and `judge` say."""
        for one in found:
            self._add(pipeline, one)

    def _add(self, pipeline: Pipeline, found: Merging | Verdict) -> None:
        match found:
            case Merging():
                self._add_merged(pipeline, found)
            case Settled():
                self.outcomes[_SETTLED[found.outcome]] += 1
                self.totals["read"] += found.outcome == "gone_in_zoho"
            case Unsettled():
                self.outcomes[Foreseen.WAITS] += not isinstance(found.decision, Park)
                if isinstance(found.decision, Park):
                    self.outcomes[Foreseen.PARKED] += 1
                    self.add_reason(found.decision)
            case _:
                assert_never(found)

    def _add_merged(self, pipeline: Pipeline, found: Merging) -> None:
        merged = found.merged
        written = bool(merged.to_zoho) and not found.is_new
        self.outcomes[_of_merged(found)] += 1
        self.totals["updates"] += written
        self.totals["to_ameise"] += bool(merged.to_ameise)
        self.totals["conflicts"] += bool(merged.conflicts)
        self.totals["held_back"] += len(merged.held_back)
        self.totals["read"] += not found.is_new
        self.totals["bulk_rows"] += written and fits(pipeline, found)

    def add_reason(self, park: Park) -> None:
        """Count a reason; there may be as many as objects, so that those that come late are one."""
        reason = _WITH_NUMBERS.get(park.cause) or park.reason
        known = reason in self.parked or len(self.parked) < MOST_REASONS
        self.parked[reason if known else OTHER_REASONS] += 1

    def counts(self) -> DryRunCounts:
        """As it is told and kept."""
        outcomes = {kind: n for kind, n in self.outcomes.items() if n}
        return DryRunCounts(outcomes=outcomes, parked=dict(self.parked), **self.totals)


def tally_of(counts: DryRunCounts) -> Tally:
    """To go on from what was kept."""
    totals = counts.model_dump(exclude={"outcomes", "parked"})
    return Tally(Counter(counts.outcomes), Counter(counts.parked), Counter(totals))


def _of_merged(found: Merging) -> Foreseen:
    if found.item.object.gone:
        return Foreseen.GONE
    if found.is_new:
        return Foreseen.CREATE_RECORD
    return Foreseen.UPDATE if found.merged.to_zoho or found.merged.to_ameise else Foreseen.UNCHANGED


def credits_for(counts: DryRunCounts, *, bulk_min_rows: int, bulk_max_rows: int) -> DryRunCredits:
    """What Zoho counts if all calls are full: a read of 100 records is 1, each 10 written ones are 1, and a
    bulk write is 500."""
    reads = -(-counts.read // MAX_RECORDS)
    created = _written(counts.outcomes.get(Foreseen.CREATE_RECORD, 0))
    by_bulk: int | None = None
    if counts.bulk_rows >= bulk_min_rows:
        jobs = -(-counts.bulk_rows // bulk_max_rows)
        by_bulk = reads + created + BULK_CREDITS * jobs + _written(counts.updates - counts.bulk_rows)
    return DryRunCredits(reads=reads, writes=created + _written(counts.updates), by_bulk=by_bulk)


def _written(records: int) -> int:
    return -(-records // RECORDS_OF_ONE_CREDIT)
