"""A person or a Vertrag typed into Zoho becomes a Kunde or a Vertrag in Ameise, once.

Ameise's POST is not idempotent, its answer can get lost after the object was made, its search can lag,
and a form can be submitted twice at once. Therefore, in this order:

1. One creation at a time per Ameise connection (a lease shared by all replicas); Kunden and Verträge have
   turns of their own.
2. An intent of an earlier try. If it got its object, that is the one. If its outcome is unknown, look again:
   the one that is like what was posted and was not there before is adopted. Until the settling time is over,
   wait; after it, a person decides. Never a second POST on our own.
3. Another record that may be of the same object, and is being created or was in the last day: a person
   decides.
4. Look what is there. One that is surely the same is adopted; unsure ones go to a person.
5. Commit an intent with what was found, then POST.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol, Self

from chassis import leases
from chassis.database import Database
from chassis.leases import Lease
from contracts.names import Table
from contracts.rpc.sync_parked import ParkedCause
from sync import intent_store
from sync.in_ameise import Creation, Found
from sync.intent_store import Intent
from sync.matching import Candidate, Match
from sync.outside_words import NotPossible
from sync.pipelines import Pipeline
from sync.retry import Park, Postpone
from sync.values import Known
from sync.work_store import Work
from vendor.errors import Unavailable, VendorError

LOOK_AGAIN_DELAY = timedelta(seconds=5)
NOT_YET = Postpone(timedelta(milliseconds=100), "eine andere Anlage läuft", counts=False)
OUTCOME_UNKNOWN = Postpone(LOOK_AGAIN_DELAY, "Ausgang der Anlage in Ameise unbekannt", counts=False)
_TURNS = {Table.KUNDE: "erstanlage", Table.VERTRAG: "vertragsanlage"}
_SIMILAR = {
    Table.KUNDE: (ParkedCause.SIMILAR_KUNDEN, "kunden"),
    Table.VERTRAG: (ParkedCause.SIMILAR_VERTRAEGE, "vertraege"),
}


class NewObject(Protocol):
    """What a record would become: how it is looked for and made. Asking Ameise raises the client's errors.

    `kunde`: whose it would be, of a Vertrag. `match_keys`: what it is kept under; `twin_keys`: what another
    creation has one of if it may be of the same. `refusal`: why the connection cannot make it, if it cannot.
    """

    @property
    def kunde(self) -> str | None: ...

    @property
    def match_keys(self) -> Sequence[str]: ...

    @property
    def twin_keys(self) -> Sequence[str]: ...

    @property
    def refusal(self) -> str | None: ...

    async def there(self) -> Sequence[Candidate]:
        """What Ameise has that it may be."""
        ...

    def match(self, there: Sequence[Candidate]) -> Match: ...

    async def post(self) -> str:
        """Make it; its number."""
        ...

    def as_posted(self, intent: Intent) -> Self:
        """What an earlier try posted, as far as it is known: the record may say something else by now."""
        ...

    def only_new(self, new: Sequence[Candidate]) -> str | None:
        """The one that our POST must have made, of those that were not there before; None if unclear."""
        ...


@dataclass(frozen=True, slots=True)
class CreateOnce:
    """Finds or creates what a record is to become, under the guarantees above."""

    database: Database
    lease: timedelta
    settling_time: timedelta
    fresh_link: timedelta

    async def __call__(self, pipeline: Pipeline, work: Work, new: NewObject) -> Creation:
        """Raises the client's errors and LeaseLost."""
        async with self._turn(pipeline, work) as turn:
            if turn is None:
                return NOT_YET
            earlier = await self._earlier(pipeline, work.object)
            if earlier is not None:
                return await self._look_again(pipeline, earlier, new)
            decided, there = await self._decide(pipeline, work.object, new)
            if decided is not None:
                return decided
            async with self.database.tenant(pipeline.tenant) as session:
                await leases.check(session, turn)
                intent = await intent_store.declare(
                    session, pipeline, work.object, kunde=new.kunde, keys=new.match_keys,
                    found=[one.key for one in there],
                )  # fmt: skip
            return await self._post(pipeline, intent, new)

    async def foresee(self, pipeline: Pipeline, zoho_id: str, new: NewObject) -> Creation | None:
        """What it would come to now, without doing it; None: it would be created. Raises as the doing."""
        earlier = await self._earlier(pipeline, zoho_id)
        if earlier is not None:
            return OUTCOME_UNKNOWN if earlier.key is None else Found(earlier.key, adopted=False)
        decided, _ = await self._decide(pipeline, zoho_id, new)
        return decided

    @asynccontextmanager
    async def _turn(self, pipeline: Pipeline, work: Work) -> AsyncGenerator[Lease | None]:
        """Ours while the block runs; None while somebody else has it."""
        name = f"{_TURNS[pipeline.table]}:{pipeline.ameise_connection}"
        async with self.database.tenant(pipeline.tenant) as session:
            turn = await leases.take(session, pipeline.tenant, name, owner=work.owner, lasting=self.lease)
        try:
            yield turn
        finally:
            if turn is not None:
                async with self.database.tenant(pipeline.tenant) as session:
                    await leases.give_back(session, turn)

    async def _earlier(self, pipeline: Pipeline, zoho_id: str) -> Intent | None:
        async with self.database.tenant(pipeline.tenant) as session:
            return await intent_store.unfinished(session, pipeline, zoho_id)

    async def _decide(
        self, pipeline: Pipeline, zoho_id: str, new: NewObject
    ) -> tuple[Found | Park | None, Sequence[Candidate]]:
        """What the record is found to be, and all that was looked at; None: it is new."""
        async with self.database.tenant(pipeline.tenant) as session:
            twin = await intent_store.twin_of(
                session, pipeline, zoho_id, new.twin_keys, kunde=new.kunde, within=self.fresh_link
            )
        if twin is not None:
            known = f" ({pipeline.table.value.title()} {twin.key})" if twin.key else ""
            return Park(ParkedCause.TWIN_RECORD, {"zoho_id": twin.zoho_id + known}), ()
        there = await new.there()
        match = new.match(there)
        if match.adopt is not None:
            return Found(match.adopt, adopted=True), there
        if match.ask_about:
            cause, name = _SIMILAR[pipeline.table]
            return Park(cause, {name: ", ".join(match.ask_about)}, candidates=match.ask_about), there
        if new.refusal is not None:
            raise NotPossible("ameise", new.refusal)
        return None, there

    async def _post(self, pipeline: Pipeline, intent: Intent, new: NewObject) -> Creation:
        try:
            key = await new.post()
        except VendorError as error:
            if not (isinstance(error, Unavailable) and error.outcome_unknown):
                await self._settle(pipeline, intent, "abandoned", None)  # refused, or never got there
            raise
        await self._settle(pipeline, intent, "created", key)
        return Found(key, adopted=False)

    async def _look_again(self, pipeline: Pipeline, intent: Intent, new: NewObject) -> Creation:
        if intent.key is not None:
            return Found(intent.key, adopted=False)
        posted = new.as_posted(intent)
        fresh = [one for one in await posted.there() if one.key not in intent.found_before]
        if (key := posted.only_new(fresh)) is not None:
            await self._settle(pipeline, intent, "adopted", key)
            return Found(key, adopted=False)
        if intent.age < self.settling_time:
            return OUTCOME_UNKNOWN
        return Park(ParkedCause.POSSIBLY_CREATED, candidates=tuple(one.key for one in fresh))

    async def _settle(self, pipeline: Pipeline, intent: Intent, outcome: str, key: str | None) -> None:
        async with self.database.tenant(pipeline.tenant) as session:
            await intent_store.settle(session, intent, outcome=outcome, key=key)


def complete(wanted: Mapping[str, Known], defaults: Mapping[str, str]) -> dict[str, Known]:
    """The wanted fields, with the pipeline's defaults where they are blank."""
    filled = {name: value for name, value in defaults.items() if not wanted.get(name)}
    return {**wanted, **filled}
