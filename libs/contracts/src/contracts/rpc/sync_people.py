"""What sync can be asked about one Kunde as a person: erase him, tell what is held, let him come back."""

from datetime import datetime, timedelta
from typing import Any

from pydantic import Field

from contracts.actor import Role
from contracts.events import LinksForgotten, LinksInformed, SyncStopLifted
from contracts.ids import Kundennummer, ZohoId
from contracts.names import Service
from contracts.rpc import Empty, Rpc, RpcModel
from contracts.rpc.ingest import KundeRequest


class SyncForgetReceipt(RpcModel):
    """What was erased, by place, and which Zoho records are kept from bringing him back. Asked again, it
    erases whatever came in between."""

    kunde: Kundennummer
    at: datetime
    erased: dict[str, int]
    stopped: tuple[ZohoId, ...] = ()


class SyncInformation(RpcModel):
    """A page of what is held: `about` is place → rows; `next_page` is the `page` of the next one."""

    about: dict[str, tuple[dict[str, Any], ...]]
    next_page: int | None = None


class SyncInformRequest(KundeRequest):
    page: int = Field(default=0, ge=0, le=10_000)


class LiftSyncStop(RpcModel):
    """Also lets these Zoho records of his come in again."""

    kunde: Kundennummer
    zoho_ids: tuple[ZohoId, ...] = Field(default=(), max_length=100)


_GATEWAY = frozenset({Service.GATEWAY})

SYNC_FORGET = Rpc(
    Service.SYNC, "forget", KundeRequest, SyncForgetReceipt,
    callers=_GATEWAY, role=Role.ADMIN, events=(LinksForgotten,), timeout=timedelta(minutes=1),
)  # fmt: skip
SYNC_INFORM = Rpc(
    Service.SYNC, "inform", SyncInformRequest, SyncInformation,
    callers=_GATEWAY, role=Role.ADMIN, events=(LinksInformed,), timeout=timedelta(minutes=1),
)  # fmt: skip
SYNC_LIFT_STOP = Rpc(
    Service.SYNC, "lift_stop", LiftSyncStop, Empty,
    callers=_GATEWAY, role=Role.ADMIN, events=(SyncStopLifted,),
)  # fmt: skip
RPCS = (SYNC_FORGET, SYNC_INFORM, SYNC_LIFT_STOP)
