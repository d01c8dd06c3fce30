"""What ingest can be asked: each RPC in, one call, the answer out."""

from faststream.nats import NatsBroker

from chassis.rpc import Caller, serve
from contracts.rpc import Empty
from contracts.rpc.ingest import (
    OBJECTS,
    SEND_AGAIN,
    SET_UP_FTP,
    STATUS,
    UPLOAD,
    DailyUpStatus,
    FtpAccess,
    Objects,
    ObjectsRequest,
    SendAgainReply,
    SendAgainRequest,
    SetUpFtp,
    UploadReply,
    UploadRequest,
)
from ingest.access import Access
from ingest.looking import Looking
from ingest.manual_upload import ManualUpload
from ingest.sending_again import SendingAgain


def register(
    broker: NatsBroker, access: Access, looking: Looking, sending_again: SendingAgain, upload: ManualUpload
) -> None:
    """Answer ingest's RPCs."""

    async def set_up_ftp(request: SetUpFtp, caller: Caller) -> FtpAccess:
        return await access.set_up(caller.cause, caller.tenant, plain_allowed=request.plain_allowed)

    async def status(request: Empty, caller: Caller) -> DailyUpStatus:  # noqa: ARG001
        return await looking.status(caller.tenant)

    async def objects(request: ObjectsRequest, caller: Caller) -> Objects:
        return await looking.objects(caller.tenant, request.table, request.keys)

    async def send_again(request: SendAgainRequest, caller: Caller) -> SendAgainReply:
        return SendAgainReply(objects=await sending_again(caller.cause, caller.tenant, request.tables))

    async def uploaded(request: UploadRequest, caller: Caller) -> UploadReply:
        return await upload(caller.cause, caller.tenant, request.delivery, request.files)

    serve(broker, SET_UP_FTP, set_up_ftp)
    serve(broker, STATUS, status)
    serve(broker, OBJECTS, objects)
    serve(broker, SEND_AGAIN, send_again)
    serve(broker, UPLOAD, uploaded)
