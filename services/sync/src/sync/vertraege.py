"""Verträge as the objects that records are brought to."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from ameise.client import AmeiseClient
from contracts.rpc.sync_parked import ParkedCause
from sync.checks import Unfit
from sync.in_ameise import Creation, InAmeise, NewFields
from sync.lookups import kunden_named
from sync.mapping import CannotConvert
from sync.pipelines import Pipeline
from sync.retry import Park, Postpone, backoff
from sync.values import Known
from sync.vertrag import VertragInAmeise
from sync.vertrag_checks import problems_of_vertrag
from sync.vertrag_once import VertragOnce
from sync.work_store import Work
from vendor.errors import Rejected


@dataclass(frozen=True, slots=True)
class Vertraege:
    """`sync.in_ameise.Objects`. `kunde_awaited`: how long a Vertrag waits for its Kunde to be linked."""

    once: VertragOnce
    kunde_awaited: timedelta

    async def find_or_create(
        self,
        pipeline: Pipeline,
        ameise: AmeiseClient,
        work: Work,
        record: Mapping[str, Any],
        wanted: Mapping[str, Known],
    ) -> Creation:
        kunde = await self._kunde_of(pipeline, record)
        if isinstance(kunde, Park):
            since = work.failing_since
            if kunde.cause is not ParkedCause.KUNDE_NOT_LINKED or (
                since is not None and datetime.now(UTC) - since > self.kunde_awaited
            ):
                return kunde
            return Postpone(backoff(work.attempts), _WAITS)
        return await self.once(pipeline, ameise, work, kunde, wanted)

    async def foresee(
        self,
        pipeline: Pipeline,
        ameise: AmeiseClient,
        record: Mapping[str, Any],
        wanted: Mapping[str, Known],
    ) -> Creation | NewFields:
        kunde = await self._kunde_of(pipeline, record)
        if isinstance(kunde, Park):
            return kunde
        found = await self.once.foresee(pipeline, ameise, record["id"], kunde, wanted)
        return {**wanted, "kunde_id": kunde} if found is None else found

    async def read(self, pipeline: Pipeline, ameise: AmeiseClient, key: str) -> InAmeise | Park:  # noqa: ARG002
        try:
            return VertragInAmeise(await ameise.get_vertrag(key))
        except Rejected as error:
            if error.status == 404:
                return Park(ParkedCause.VERTRAG_UNKNOWN, {"vertrag": key})
            raise

    async def check(
        self,
        pipeline: Pipeline,
        ameise: AmeiseClient,
        before: InAmeise,  # noqa: ARG002
        changes: Mapping[str, Known],
    ) -> None:
        if not (await self.once.capable(pipeline)).changes_vertraege:
            fields = ", ".join(sorted(changes))
            raise Rejected("ameise", f"diese Ameise-Verbindung kann Verträge nicht ändern ({fields})")
        known = await self.once.knowledge.about_vertrag(pipeline, ameise, changes)
        if problems := problems_of_vertrag(changes, known):
            raise Unfit(problems)

    async def _kunde_of(self, pipeline: Pipeline, record: Mapping[str, Any]) -> str | Park:
        """Raises CannotConvert if the record names two, or what cannot be one."""
        async with self.once.database.tenant(pipeline.tenant) as session:
            named = await kunden_named(session, pipeline, record)
        found = whose(named)
        if isinstance(found, Park) and found.cause is ParkedCause.KUNDE_NOT_LINKED:
            # By this it is found when the Kunde's record is linked (`parked_store.kunden_linked`).
            return replace(found, details={**found.details, "record": record[found.details["field"]]["id"]})
        return found


_WAITS = "wartet darauf, dass sein Kunde verknüpft wird"


def whose(named: Mapping[str, str | None]) -> str | Park:
    """The one Kunde that a record names. Pure. Raises CannotConvert if it names two."""
    if not named:
        return Park(ParkedCause.FIELDS_MISSING, {"fields": "Kunde"})
    unlinked = [field for field, kunde in named.items() if kunde is None]
    kunden = {kunde for kunde in named.values() if kunde is not None}
    if len(kunden) > 1:
        raise CannotConvert(f"{' und '.join(sorted(named))} nennen verschiedene Kunden")
    if unlinked:
        return Park(ParkedCause.KUNDE_NOT_LINKED, {"field": unlinked[0]})
    return kunden.pop()
