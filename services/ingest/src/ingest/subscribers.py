"""What ingest can be asked: each RPC in, one call, the answer out."""

import asyncio

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
    PREVIEW_DELIVERY,
    REJECT_DELIVERY,
    RELEASE_DELIVERY,
    SEND_AGAIN,
    SET_UP_FTP,
    STATUS,
    UPLOAD,
    BucketObjects,
    BucketsRequest,
    DailyUpStatus,
    DeliveryPreview,
    DeliveryReport,
    DeliveryRequest,
    DeliveryStatus,
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
    SetUpFtp,
    UploadReply,
    UploadRequest,
)
from contracts.rpc.ingest_format import (
    DRY_RUN,
    GET_FORMAT,
    SET_FORMAT,
    DryRun,
    FormatView,
    SampleRead,
    SetFormat,
)
from ingest.access import Access
from ingest.digest import Digests
from ingest.download import Downloads
from ingest.forgetting import Forgetting
from ingest.format_overrides import Formats
from ingest.history import History
from ingest.informing import Informing
from ingest.looking import Looking
from ingest.manual_upload import ManualUpload
from ingest.releasing import Releasing
from ingest.sending_again import SendingAgain
from ingest.table_format import Format


def register(
    broker: NatsBroker,
    *,
    access: Access,
    looking: Looking,
    digests: Digests,
    sending_again: SendingAgain,
    history: History,
    downloads: Downloads,
    upload: ManualUpload,
    releasing: Releasing,
    formats: Formats,
    forgetting: Forgetting,
    informing: Informing,
) -> None:
    """Answer ingest's RPCs."""

    async def set_up_ftp(request: SetUpFtp, caller: Caller) -> FtpAccess:
        return await access.set_up(caller.cause, caller.tenant, plain_allowed=request.plain_allowed)

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

    async def uploaded(request: UploadRequest, caller: Caller) -> UploadReply:
        return await upload(caller.cause, caller.tenant, request.delivery, request.files)

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
    serve(broker, UPLOAD, uploaded)
    serve(broker, FORGET, forget)
    serve(broker, LIFT_STOP, lift_stop)
    serve(broker, INFORM, inform)
    _decide(broker, releasing)
    _fit(broker, formats)


def _decide(broker: NatsBroker, releasing: Releasing) -> None:
    async def preview(request: DeliveryRequest, caller: Caller) -> DeliveryPreview:
        return await releasing.preview(caller.tenant, request.delivery)

    async def release(request: DeliveryRequest, caller: Caller) -> DeliveryStatus:
        return await releasing.release(caller.cause, caller.tenant, request.delivery)

    async def reject(request: DeliveryRequest, caller: Caller) -> DeliveryStatus:
        return await releasing.reject(caller.cause, caller.tenant, request.delivery)

    serve(broker, PREVIEW_DELIVERY, preview)
    serve(broker, RELEASE_DELIVERY, release)
    serve(broker, REJECT_DELIVERY, reject)


def _fit(broker: NatsBroker, formats: Formats) -> None:
    async def get_format(request: Empty, caller: Caller) -> FormatView:  # noqa: ARG001
        return await formats.view(caller.tenant)

    async def set_format(request: SetFormat, caller: Caller) -> FormatView:
        return await formats.set(caller.cause, caller.tenant, request.changes)

    async def dry_run(request: DryRun, caller: Caller) -> SampleRead:
        form = await formats.of(caller.tenant, trying=request.changes)
        return await asyncio.to_thread(_try_out, request, form)

    serve(broker, GET_FORMAT, get_format)
    serve(broker, SET_FORMAT, set_format)
    serve(broker, DRY_RUN, dry_run)


def _try_out(request: DryRun, form: Format) -> SampleRead:
    # Here, because polars costs memory that a service that only waits does not need.
    from ingest.dry_run import sample_bytes, try_out  # noqa: PLC0415

    return try_out(sample_bytes(request.content), request.file, form)
