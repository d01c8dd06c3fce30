"""A Vertrag typed into Zoho becomes a Vertrag in Ameise, once.

In the order of an Erstanlage (`sync.create_once`), for the same reasons; what differs is where is looked: a
Kunde's Verträge can be listed, so what is there already is found without a search.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from ameise.client import AmeiseClient
from chassis import leases
from chassis.database import Database
from chassis.leases import Lease
from contracts.rpc.sync_parked import ParkedCause
from sync import capability_store, vertrag_intent_store
from sync.capability_store import Capabilities
from sync.checks import Unfit
from sync.create_once import LOOK_AGAIN_DELAY, OUTCOME_UNKNOWN
from sync.creation_turn import NOT_YET, creation_turn
from sync.in_ameise import Creation, Found
from sync.known_there import AmeiseKnowledge
from sync.pipelines import Pipeline
from sync.retry import Park, Postpone
from sync.values import Known
from sync.vertrag import VertragInAmeise, new_vertrag_body
from sync.vertrag_checks import missing_of_new_vertrag, problems_of_vertrag
from sync.vertrag_intent_store import VertragIntent
from sync.vertrag_matching import choose_vertrag, match_key, only_new_vertrag
from sync.work_store import Work
from vendor.errors import Rejected, Unavailable, VendorError


@dataclass(frozen=True, slots=True)
class VertragOnce:
    """Finds or creates the Vertrag of a record. `capabilities` hold where no admin decided anything."""

    database: Database
    lease: timedelta
    settling_time: timedelta
    fresh_link: timedelta
    knowledge: AmeiseKnowledge
    capabilities: Capabilities

    async def __call__(
        self, pipeline: Pipeline, ameise: AmeiseClient, work: Work, kunde: str, fields: Mapping[str, Known]
    ) -> Creation:
        """`fields`: the record's values in Ameise's form. Raises the client's errors, Unfit and LeaseLost."""
        unfit = await self._unfit(pipeline, ameise, fields)
        if unfit is not None:
            return unfit
        async with creation_turn(self.database, pipeline, work, "vertragsanlage", lasting=self.lease) as turn:
            if turn is None:
                return NOT_YET
            return await self._in_turn(pipeline, ameise, work.object, kunde, fields, turn)

    async def foresee(
        self, pipeline: Pipeline, ameise: AmeiseClient, zoho_id: str, kunde: str, fields: Mapping[str, Known]
    ) -> Creation | None:
        """What it would come to now, without doing it; None: it would be created. Raises as the doing."""
        unfit = await self._unfit(pipeline, ameise, fields)
        if unfit is not None:
            return unfit
        async with self.database.tenant(pipeline.tenant) as session:
            earlier = await vertrag_intent_store.unfinished(session, pipeline, zoho_id)
        if earlier is not None and earlier.vertragsnummer is not None:
            return Found(earlier.vertragsnummer, adopted=False)
        if earlier is not None:
            return Postpone(LOOK_AGAIN_DELAY, OUTCOME_UNKNOWN, counts=False)
        decided, _ = await self._decide(pipeline, ameise, zoho_id, kunde, fields)
        if decided is None:
            await self._refuse_if_incapable(pipeline)
        return decided

    async def capable(self, pipeline: Pipeline) -> Capabilities:
        """What the pipeline's Ameise connection can do."""
        async with self.database.tenant(pipeline.tenant) as session:
            return await capability_store.load(session, pipeline.ameise_connection, self.capabilities)

    async def _refuse_if_incapable(self, pipeline: Pipeline) -> None:
        if not (await self.capable(pipeline)).creates_vertraege:
            raise Rejected("ameise", "diese Ameise-Verbindung kann Verträge nicht anlegen")

    async def _unfit(
        self, pipeline: Pipeline, ameise: AmeiseClient, fields: Mapping[str, Known]
    ) -> Park | None:
        """Why Ameise would not take it, as far as something is missing. Raises Unfit for what is wrong."""
        if missing := missing_of_new_vertrag(fields):
            return Park(ParkedCause.FIELDS_MISSING, {"fields": ", ".join(missing)})
        known = await self.knowledge.about_vertrag(pipeline, ameise, fields)
        if problems := problems_of_vertrag(fields, known):
            raise Unfit(problems)
        return None

    async def _in_turn(
        self,
        pipeline: Pipeline,
        ameise: AmeiseClient,
        zoho_id: str,
        kunde: str,
        fields: Mapping[str, Known],
        turn: Lease,
    ) -> Creation:
        async with self.database.tenant(pipeline.tenant) as session:
            earlier = await vertrag_intent_store.unfinished(session, pipeline, zoho_id)
        if earlier is not None and earlier.vertragsnummer is not None:
            return Found(earlier.vertragsnummer, adopted=False)
        if earlier is not None:
            return await self._look_again(pipeline, ameise, earlier)
        decided, there = await self._decide(pipeline, ameise, zoho_id, kunde, fields)
        if decided is not None:
            return decided
        await self._refuse_if_incapable(pipeline)
        async with self.database.tenant(pipeline.tenant) as session:
            await leases.check(session, turn)
            intent = await vertrag_intent_store.declare(
                session, pipeline, zoho_id, kunde=kunde, key=_key(pipeline, fields),
                found=[one.key for one in there],
            )  # fmt: skip
        return await self._post(pipeline, ameise, intent, fields)

    async def _decide(
        self, pipeline: Pipeline, ameise: AmeiseClient, zoho_id: str, kunde: str, fields: Mapping[str, Known]
    ) -> tuple[Found | Park | None, Sequence[VertragInAmeise]]:
        """Which one the record is found to be, and all that the Kunde has; None: it is new."""
        async with self.database.tenant(pipeline.tenant) as session:
            twin = await vertrag_intent_store.twin_of(
                session, pipeline, zoho_id, kunde, _key(pipeline, fields), within=self.fresh_link
            )
        if twin is not None:
            known = f" (Vertrag {twin.key})" if twin.key else ""
            return Park(ParkedCause.TWIN_RECORD, {"zoho_id": twin.zoho_id + known}), ()
        there = await vertraege_of(ameise, kunde)
        match = choose_vertrag(fields, there)
        if match.adopt is not None:
            return Found(match.adopt, adopted=True), there
        if match.ask_about:
            return Park(ParkedCause.SIMILAR_VERTRAEGE, {"vertraege": ", ".join(match.ask_about)}), there
        return None, there

    async def _post(
        self, pipeline: Pipeline, ameise: AmeiseClient, intent: VertragIntent, fields: Mapping[str, Known]
    ) -> Creation:
        try:
            created = await ameise.create_vertrag(new_vertrag_body(intent.kunde, fields))
        except VendorError as error:
            if not (isinstance(error, Unavailable) and error.outcome_unknown):
                await self._settle(pipeline, intent, "abandoned", None)  # refused, or never got there
            raise
        await self._settle(pipeline, intent, "created", created.id)
        return Found(created.id, adopted=False)

    async def _look_again(self, pipeline: Pipeline, ameise: AmeiseClient, intent: VertragIntent) -> Creation:
        there = await vertraege_of(ameise, intent.kunde)
        fresh = [one for one in there if one.key not in intent.found_before]
        number = only_new_vertrag(intent.match_key, fresh, tenant=pipeline.tenant)
        if number is not None:
            await self._settle(pipeline, intent, "adopted", number)
            return Found(number, adopted=False)
        if intent.age < self.settling_time:
            return Postpone(LOOK_AGAIN_DELAY, OUTCOME_UNKNOWN, counts=False)
        return Park(ParkedCause.POSSIBLY_CREATED)

    async def _settle(
        self, pipeline: Pipeline, intent: VertragIntent, outcome: str, number: str | None
    ) -> None:
        async with self.database.tenant(pipeline.tenant) as session:
            await vertrag_intent_store.settle(session, intent, outcome=outcome, vertragsnummer=number)


async def vertraege_of(ameise: AmeiseClient, kunde: str) -> list[VertragInAmeise]:
    """All Verträge of a Kunde. Raises the client's errors."""
    return [VertragInAmeise(vertrag) for vertrag in await ameise.list_vertraege(kunde)]


def _key(pipeline: Pipeline, fields: Mapping[str, Known]) -> str:
    """Of a Vertrag whose number is there: `missing_of_new_vertrag` makes sure of it."""
    return match_key(fields.get("versicherungsscheinnummer"), tenant=pipeline.tenant) or ""
