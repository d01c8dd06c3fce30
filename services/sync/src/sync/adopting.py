"""A person says what a Zoho record of parked work is: it is linked to a Kunde, or a Vertrag, of Ameise.

Ameise is asked first whether that one exists for this connection and whether the record can be it; then
link, intents and the row of work change together. No second record of the same module may be linked to it.
"""

from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.database import Database
from chassis.leases import LeaseLost
from chassis.outbox import Outbox
from chassis.rpc import Caller
from contracts import problems
from contracts.events import Adopted, ObjectAction, ObjectChange, WorkRetried
from contracts.ids import AmeiseKey, PipelineId, ZohoId, new_id
from contracts.names import Table
from contracts.problems import Conflict, NotFound
from contracts.rpc.sync_parked import AdoptCandidate, CandidateAdopted
from sync import intent_store, link_store, parked_store, pipeline_store
from sync.in_ameise import InAmeise
from sync.intent_store import Intent
from sync.mapping import CannotConvert
from sync.parked import told_about
from sync.pipelines import Pipeline
from sync.retry import Park
from sync.to_ameise import ToAmeise
from sync.work_store import Lane
from vendor.errors import NotConnected, Rejected, VendorError


@dataclass(frozen=True, slots=True)
class Adopting:
    """Serves `adopt_candidate`."""

    database: Database
    outbox: Outbox
    to_ameise: ToAmeise
    settling_time: timedelta

    async def __call__(self, request: AdoptCandidate, caller: Caller) -> CandidateAdopted:
        """Raises NotFound, Conflict; NotConnected, Unavailable if Ameise or Zoho cannot be asked."""
        async with self.database.tenant(caller.tenant) as session:
            row, pipeline = await _work(session, request)
        found = await self._checked(pipeline, row["object"], request.kunde or request.vertrag or "")
        key = found.key
        try:
            async with self.database.tenant(caller.tenant) as session:
                row, pipeline = await _work(session, request)
                await self._link(session, pipeline, row["object"], key)
                if kunde := found.fields.get("kunde_id"):
                    await intent_store.keep_adopted(session, pipeline, row["object"], kunde=kunde, key=key)
                await parked_store.make_due(session, [row["id"]], lane=Lane.INTERACTIVE)
                about = ObjectChange(table=pipeline.table, key=AmeiseKey(key), action=ObjectAction.UNCHANGED)
                zoho_id = ZohoId(row["object"])
                adopted = Adopted(pipeline=pipeline.id, module=pipeline.module, zoho_id=zoho_id, object=about)
                retried = told_about(WorkRetried, row, pipeline)
                await self.outbox.tell(session, caller.cause, adopted, retried)
        except (IntegrityError, LeaseLost) as error:
            raise _taken(pipeline, key) from error
        return CandidateAdopted.model_validate({"zoho_id": zoho_id, pipeline.table.value: key})

    async def _checked(self, pipeline: Pipeline, zoho_id: str, key: str) -> InAmeise:
        """The object as Ameise has it, if nothing speaks against it."""
        systems, objects = self.to_ameise.systems, self.to_ameise.objects[pipeline.table]
        try:
            found = await objects.read(pipeline, await systems.ameise(pipeline, urgent=True), key)
            if isinstance(found, Park):
                raise Conflict(f"{found.reason}.", remedy="Bitte die Nummer prüfen.")
            zoho = await systems.zoho(pipeline, urgent=True)
            record = await zoho.get_record(pipeline.module, zoho_id, pipeline.zoho_fields)
            if record is None:
                raise Conflict("Den Datensatz gibt es in Zoho nicht mehr.")
            wanted = self.to_ameise.wanted(pipeline, record)
            if (doubt := await objects.doubt(pipeline, record, wanted, found)) is not None:
                raise Conflict(doubt, remedy="Bitte zuerst eine der beiden Seiten berichtigen.")
        except (CannotConvert, Rejected) as error:
            raise Conflict(f"{error}.", remedy="Bitte zuerst den Datensatz berichtigen.") from error
        except NotConnected as error:
            raise problems.NotConnected(
                f"{error.system.title()} ist nicht verbunden.", remedy="Bitte neu verbinden."
            ) from error
        except VendorError as error:
            raise problems.Unavailable(f"{error.system.title()} antwortet zurzeit nicht.") from error
        return found

    async def _link(self, session: AsyncSession, pipeline: Pipeline, zoho_id: str, key: str) -> None:
        held = await link_store.lease_by_zoho_ids(
            session, pipeline, [zoho_id], owner=f"adopting:{new_id()}", lasting=self.to_ameise.lease
        )
        link = held.get(zoho_id)
        if link is None:
            raise Conflict("Der Datensatz wird gerade bearbeitet.", remedy="Bitte gleich noch einmal.")
        if link.ameise_key not in (None, key):
            raise Conflict(f"Der Datensatz ist schon mit {_named(pipeline, link.ameise_key)} verknüpft.")
        earlier = await intent_store.unfinished(session, pipeline, zoho_id)
        if earlier is not None and earlier.key is None and key in earlier.found_before:
            self._refuse_while_settling(pipeline, earlier, key)
        holder = await link_store.holder_of_key(session, pipeline, key)
        if holder not in (None, zoho_id):
            raise _taken(pipeline, key, holder)
        saved = link.belonging_to(key)
        await link_store.save(session, [saved])
        await intent_store.settle_linked(session, pipeline, [saved])
        await parked_store.kunden_linked(session, pipeline, [saved])

    def _refuse_while_settling(self, pipeline: Pipeline, earlier: Intent, key: str) -> None:
        """What we posted for this record may still come to be beside the one that is chosen."""
        if (left := self.settling_time - earlier.age) > timedelta(0):
            raise Conflict(
                f"Für diesen Datensatz wurde gerade eine Anlage an Ameise geschickt, deren Antwort fehlt; "
                f"{_named(pipeline, key)} gab es schon vorher.",
                remedy=f"Bitte {ceil(left / timedelta(minutes=1))} Minuten warten und in Ameise nachsehen, "
                "ob die Anlage angekommen ist.",
            )


async def _work(session: AsyncSession, request: AdoptCandidate) -> tuple[dict[str, Any], Pipeline]:
    """The row, locked, and its pipeline."""
    rows = await parked_store.lock(session, [request.id])
    if not rows:
        raise NotFound("Diese Arbeit ist nicht (mehr) geparkt.")
    row = rows[0]
    pipeline = await pipeline_store.load(session, PipelineId(str(row["pipeline"])))
    if pipeline is None:
        raise NotFound("Diese Pipeline gibt es nicht mehr.")
    named = Table.KUNDE if request.kunde else Table.VERTRAG
    if row["direction"] != "to_ameise" or pipeline.table is not named:
        kind = named.value.title()
        raise Conflict(f"Nur ein Zoho-Datensatz, der ein {kind} werden soll, kann zu diesem gehören.")
    return row, pipeline


def _taken(pipeline: Pipeline, key: str, holder: str | None = None) -> Conflict:
    which = f"Datensatz {holder}" if holder else "einem anderen Datensatz"
    return Conflict(
        f"{_named(pipeline, key)} gehört schon zu {which}.",
        remedy="Bitte einen der beiden Datensätze in Zoho löschen.",
    )


def _named(pipeline: Pipeline, key: str) -> str:
    return f"{pipeline.table.value.title()} {key}"
