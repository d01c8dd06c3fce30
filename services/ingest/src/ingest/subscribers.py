"""What ingest can be asked: each RPC in, one call, the answer out."""

from faststream.nats import NatsBroker

from chassis.rpc import Caller, serve
from contracts.rpc import Empty
from contracts.rpc.ingest import (
    BUCKETS,
    DELIVERY_REPORT,
    DIGEST,
    DOWNLOAD,
    DOWNLOAD_PROBLEMS,
    FORGET,
    INFORM,
    LIFT_STOP,
    OBJECT_AS_OF,
    OBJECTS,
    SEND_AGAIN,
    SET_UP_FTP,
    STATUS,
    BucketObjects,
    BucketsRequest,
    DailyUpStatus,
    DeliveryReport,
    DeliveryRequest,
    Digest,
    DigestRequest,
    Download,
    DownloadRequest,
    ForgetReceipt,
    FtpAccess,
    Information,
    KundeRequest,
    ObjectAsOf,
    ObjectAsOfRequest,
    Objects,
    ObjectsRequest,
    SendAgainReply,
    SendAgainRequest,
)
from ingest.access import Access
from ingest.digest import Digests
from ingest.download import Downloads
from ingest.forgetting import Forgetting
from ingest.history import History
from ingest.informing import Informing
from ingest.looking import Looking
from ingest.sending_again import SendingAgain


def register(
    broker: NatsBroker,
    *,
    access: Access,
    looking: Looking,
    digests: Digests,
    sending_again: SendingAgain,
    history: History,
    downloads: Downloads,
    forgetting: Forgetting,
    informing: Informing,
) -> None:
    """Answer ingest's RPCs."""

    async def set_up_ftp(request: Empty, caller: Caller) -> FtpAccess:  # noqa: ARG001
        return await access.set_up(caller.cause, caller.tenant)

    async def status(request: Empty, caller: Caller) -> DailyUpStatus:  # noqa: ARG001
        return await looking.status(caller.tenant)

    async def objects(request: ObjectsRequest, caller: Caller) -> Objects:
        return await looking.objects(caller.tenant, request.table, request.keys)

    async def digest(request: DigestRequest, caller: Caller) -> Digest:
        return await digests.digest(caller.tenant, request.table, request.buckets)

    async def buckets(request: BucketsRequest, caller: Caller) -> BucketObjects:
        return await digests.in_buckets(caller.tenant, request.table, request.buckets, request.after)

    async def send_again(request: SendAgainRequest, caller: Caller) -> SendAgainReply:
        return SendAgainReply(objects=await sending_again(caller.cause, caller.tenant, request))

    async def object_as_of(request: ObjectAsOfRequest, caller: Caller) -> ObjectAsOf:
        return await history.object_as_of(caller.tenant, request.table, request.key, request.moment)

    async def delivery_report(request: DeliveryRequest, caller: Caller) -> DeliveryReport:
        return await looking.report(caller.tenant, request.delivery)

    async def download(request: DownloadRequest, caller: Caller) -> Download:
        return await downloads.table(caller.cause, caller.tenant, request.table)

    async def download_problems(request: DeliveryRequest, caller: Caller) -> Download:
        return await downloads.problems(caller.tenant, request.delivery)

    async def forget(request: KundeRequest, caller: Caller) -> ForgetReceipt:
        return await forgetting.forget(caller.cause, caller.tenant, request.kunde)

    async def lift_stop(request: KundeRequest, caller: Caller) -> Empty:
        await forgetting.lift_stop(caller.cause, caller.tenant, request.kunde)
        return Empty()

    async def inform(request: KundeRequest, caller: Caller) -> Information:
        return await informing(caller.cause, caller.tenant, request.kunde)

    serve(broker, SET_UP_FTP, set_up_ftp)
    serve(broker, STATUS, status)
    serve(broker, OBJECTS, objects)
    serve(broker, DIGEST, digest)
    serve(broker, BUCKETS, buckets)
    serve(broker, SEND_AGAIN, send_again)
    serve(broker, OBJECT_AS_OF, object_as_of)
    serve(broker, DELIVERY_REPORT, delivery_report)
    serve(broker, DOWNLOAD, download)
    serve(broker, DOWNLOAD_PROBLEMS, download_problems)
    serve(broker, FORGET, forget)
    serve(broker, LIFT_STOP, lift_stop)
    serve(broker, INFORM, inform)
