"""Verträge as the objects that records are brought to."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from ameise.client import AmeiseClient
from contracts.rpc.sync_parked import ParkedCause
from sync import capability_store
from sync.capability_store import Capabilities
from sync.checks import Unfit
from sync.create_once import CreateOnce, complete
from sync.in_ameise import Creation, InAmeise, NewFields
from sync.known_there import AmeiseKnowledge
from sync.lookups import kunden_named
from sync.mapping import CannotConvert
from sync.new_vertrag import NewVertrag
from sync.outside_words import NotPossible
from sync.pipelines import Pipeline
from sync.retry import Park, Postpone, backoff
from sync.values import Known
from sync.vertrag import VertragInAmeise
from sync.vertrag_checks import missing_of_new_vertrag, problems_of_vertrag
from sync.vertrag_matching import agree, match_key, twin_key
from sync.work_store import Work
from vendor.errors import Rejected


@dataclass(frozen=True, slots=True)
class Vertraege:
    """`sync.in_ameise.Objects`. `capabilities` hold where no admin decided anything; `kunde_awaited`: how
    long a Vertrag waits for its Kunde to be linked."""

    create_once: CreateOnce
    knowledge: AmeiseKnowledge
    capabilities: Capabilities
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
        new = await self._new(pipeline, ameise, kunde, wanted)
        return new if isinstance(new, Park) else await self.create_once(pipeline, work, new)

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
        new = await self._new(pipeline, ameise, kunde, wanted)
        if isinstance(new, Park):
            return new
        found = await self.create_once.foresee(pipeline, record["id"], new)
        return {**new.fields, "kunde_id": kunde} if found is None else found

    async def read(self, pipeline: Pipeline, ameise: AmeiseClient, key: str) -> InAmeise | Park:  # noqa: ARG002
        try:
            return VertragInAmeise(await ameise.get_vertrag(key))
        except Rejected as error:
            if error.status == 404:
                return Park(ParkedCause.VERTRAG_UNKNOWN, {"vertrag": key})
            raise

    async def doubt(
        self, pipeline: Pipeline, record: Mapping[str, Any], wanted: Mapping[str, Known], found: InAmeise
    ) -> str | None:
        kunde = await self._kunde_of(pipeline, record)
        if isinstance(kunde, Park):
            return kunde.reason
        if (owner := found.fields.get("kunde_id")) != kunde:
            return f"Vertrag {found.key} gehört in Ameise zu Kunde {owner}, der Datensatz zu Kunde {kunde}."
        if not agree(wanted, found.fields, "sparte_id"):
            return f"Vertrag {found.key} hat in Ameise eine andere Sparte als der Datensatz."
        return None

    async def check(
        self,
        pipeline: Pipeline,
        ameise: AmeiseClient,
        before: InAmeise,  # noqa: ARG002
        changes: Mapping[str, Known],
    ) -> None:
        if not (await self._capable(pipeline)).changes_vertraege:
            fields = ", ".join(sorted(changes))
            raise NotPossible("ameise", f"diese Ameise-Verbindung kann Verträge nicht ändern ({fields})")
        known = await self.knowledge.about_vertrag(pipeline, ameise, changes)
        if problems := problems_of_vertrag(changes, known):
            raise Unfit(problems)

    async def _new(
        self, pipeline: Pipeline, ameise: AmeiseClient, kunde: str, wanted: Mapping[str, Known]
    ) -> NewVertrag | Park:
        """What would be made, if Ameise would take it. Raises Unfit."""
        fields = complete(wanted, pipeline.definition.new_vertrag)
        if missing := missing_of_new_vertrag(fields):
            return Park(ParkedCause.FIELDS_MISSING, {"fields": ", ".join(missing)})
        known = await self.knowledge.about_vertrag(pipeline, ameise, fields)
        if problems := problems_of_vertrag(fields, known):
            raise Unfit(problems)
        capable = (await self._capable(pipeline)).creates_vertraege
        refusal = None if capable else "diese Ameise-Verbindung kann Verträge nicht anlegen"
        key = match_key(fields["versicherungsscheinnummer"], tenant=pipeline.tenant)
        usual = pipeline.definition.new_vertrag.get("versicherungsscheinnummer")
        twin = twin_key(wanted, usual=usual, tenant=pipeline.tenant)
        keys = [one for one in {key, twin} if one]
        return NewVertrag(ameise, pipeline.tenant, kunde, fields, wanted, usual, keys, [twin], refusal)

    async def _capable(self, pipeline: Pipeline) -> Capabilities:
        """What the pipeline's Ameise connection can do."""
        async with self.create_once.database.tenant(pipeline.tenant) as session:
            return await capability_store.load(session, pipeline.ameise_connection, self.capabilities)

    async def _kunde_of(self, pipeline: Pipeline, record: Mapping[str, Any]) -> str | Park:
        """Raises CannotConvert if the record names two, or what cannot be one."""
        async with self.create_once.database.tenant(pipeline.tenant) as session:
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
