"""A person says who somebody is: the Zoho record of parked work is linked to a Kunde of Ameise.

Ameise is asked first whether that Kunde exists for this connection; then link, intents and the row of work
change together. No second record of the same module may be linked to him.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

from sqlalchemy.exc import IntegrityError
from sqlmodel.ext.asyncio.session import AsyncSession

from ameise.client import AmeiseClient
from chassis.database import Database
from chassis.leases import LeaseLost
from chassis.outbox import Outbox
from chassis.rpc import Caller
from contracts import problems
from contracts.events import Adopted, ObjectAction, ObjectChange, WorkRetried
from contracts.ids import AmeiseKey, Kundennummer, PipelineId, ZohoId, new_id
from contracts.names import Table
from contracts.problems import Conflict, NotFound
from contracts.rpc.sync_parked import AdoptCandidate, CandidateAdopted
from sync import intent_store, link_store, parked_store, pipeline_store
from sync.parked import told_about
from sync.pipelines import Pipeline
from sync.work_store import Lane
from vendor.errors import NotConnected, Rejected, VendorError


class AsksAmeise(Protocol):
    """What is needed of `sync.systems`."""

    async def ameise(self, pipeline: Pipeline, *, urgent: bool) -> AmeiseClient: ...


@dataclass(frozen=True, slots=True)
class Adopting:
    """Serves `adopt_candidate`."""

    database: Database
    outbox: Outbox
    systems: AsksAmeise
    lease: timedelta

    async def __call__(self, request: AdoptCandidate, caller: Caller) -> CandidateAdopted:
        """Raises NotFound, Conflict; NotConnected, Unavailable if Ameise cannot be asked."""
        async with self.database.tenant(caller.tenant) as session:
            _, pipeline = await _work(session, request.id)
        kunde = await self._existing(pipeline, request.kunde)
        try:
            async with self.database.tenant(caller.tenant) as session:
                row, pipeline = await _work(session, request.id)
                await self._link(session, pipeline, row["object"], kunde)
                await intent_store.settle_open(session, pipeline, row["object"], kundennummer=kunde)
                await parked_store.make_due(session, [row["id"]], lane=Lane.INTERACTIVE)
                about = ObjectChange(
                    table=pipeline.table, key=AmeiseKey(kunde), action=ObjectAction.UNCHANGED
                )
                zoho_id = ZohoId(row["object"])
                adopted = Adopted(pipeline=pipeline.id, module=pipeline.module, zoho_id=zoho_id, object=about)
                retried = told_about(WorkRetried, row, pipeline)
                await self.outbox.tell(session, caller.cause, adopted, retried)
        except (IntegrityError, LeaseLost) as error:
            raise _taken(kunde) from error
        return CandidateAdopted(zoho_id=zoho_id, kunde=Kundennummer(kunde))

    async def _existing(self, pipeline: Pipeline, kunde: Kundennummer) -> str:
        """His number as Ameise writes it."""
        try:
            ameise = await self.systems.ameise(pipeline, urgent=True)
            return (await ameise.get_kunde(kunde)).id
        except Rejected as error:
            raise Conflict(
                f"Kunde {kunde} gibt es in Ameise nicht (oder nicht für diese Verbindung).",
                remedy="Bitte die Kundennummer prüfen.",
            ) from error
        except NotConnected as error:
            raise problems.NotConnected(
                "Ameise ist nicht verbunden.", remedy="Bitte neu verbinden."
            ) from error
        except VendorError as error:
            raise problems.Unavailable("Ameise antwortet zurzeit nicht.") from error

    async def _link(self, session: AsyncSession, pipeline: Pipeline, zoho_id: str, kunde: str) -> None:
        held = await link_store.lease_by_zoho_ids(
            session, pipeline, [zoho_id], owner=f"adopting:{new_id()}", lasting=self.lease
        )
        link = held.get(zoho_id)
        if link is None:
            raise Conflict("Der Datensatz wird gerade bearbeitet.", remedy="Bitte gleich noch einmal.")
        if link.ameise_key not in (None, kunde):
            raise Conflict(f"Der Datensatz ist schon mit Kunde {link.ameise_key} verknüpft.")
        holder = await link_store.holder_of_key(session, pipeline, kunde)
        if holder not in (None, zoho_id):
            raise _taken(kunde, holder)
        await link_store.save(session, [link.belonging_to(kunde)])


async def _work(session: AsyncSession, id_: int) -> tuple[dict[str, Any], Pipeline]:
    """The row, locked, and its pipeline."""
    rows = await parked_store.lock(session, [id_])
    if not rows:
        raise NotFound("Diese Arbeit ist nicht (mehr) geparkt.")
    row = rows[0]
    pipeline = await pipeline_store.load(session, PipelineId(str(row["pipeline"])))
    if pipeline is None:
        raise NotFound("Diese Pipeline gibt es nicht mehr.")
    if row["direction"] != "to_ameise" or pipeline.table is not Table.KUNDE:
        raise Conflict("Nur ein Zoho-Datensatz, der ein Kunde werden soll, kann zu einem Kunden gehören.")
    return row, pipeline


def _taken(kunde: str, holder: str | None = None) -> Conflict:
    which = f"Datensatz {holder}" if holder else "einem anderen Datensatz"
    return Conflict(
        f"Kunde {kunde} gehört schon zu {which}.",
        remedy="Bitte einen der beiden Datensätze in Zoho löschen.",
    )
