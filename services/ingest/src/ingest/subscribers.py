"""What ingest can be asked: each RPC in, one call, the answer out."""

from faststream.nats import NatsBroker

from chassis.rpc import Caller, serve
from contracts.rpc import Empty
from contracts.rpc.ingest import (
    OBJECTS,
    SET_UP_FTP,
    STATUS,
    DailyUpStatus,
    FtpAccess,
    Objects,
    ObjectsRequest,
)
from ingest.access import Access
from ingest.looking import Looking


def register(broker: NatsBroker, access: Access, looking: Looking) -> None:
    """Answer ingest's RPCs."""

    async def set_up_ftp(request: Empty, caller: Caller) -> FtpAccess:  # noqa: ARG001
        return await access.set_up(caller.cause, caller.tenant)

    async def status(request: Empty, caller: Caller) -> DailyUpStatus:  # noqa: ARG001
        return await looking.status(caller.tenant)

    async def objects(request: ObjectsRequest, caller: Caller) -> Objects:
        return await looking.objects(caller.tenant, request.table, request.keys)

    serve(broker, SET_UP_FTP, set_up_ftp)
    serve(broker, STATUS, status)
    serve(broker, OBJECTS, objects)
