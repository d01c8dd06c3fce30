"""The admin's API about parked work: look through it, and decide what becomes of it."""

from typing import Annotated

from fastapi import Path, Query
from fastapi.responses import StreamingResponse

from contracts.rpc.sync_parked import (
    ADOPT_CANDIDATE,
    DISCARD_PARKED,
    GROUP_PARKED,
    LIST_PARKED,
    RETRY_ALL_PARKED,
    RETRY_PARKED,
    AdoptCandidate,
    CandidateAdopted,
    Discarded,
    DiscardParked,
    ListParked,
    ParkedFilter,
    ParkedGroups,
    ParkedWorks,
    Retried,
    RetryAllParked,
    RetryParked,
)
from contracts.rpc.sync_waiting import (
    DELETE_NOW,
    KEEP_RECORDS,
    LIST_DELETIONS,
    ChosenDeletions,
    DeletionsDecided,
    ListDeletions,
    WaitingDeletions,
)
from gateway.asking import ApiAsking
from gateway.downloads import as_csv
from gateway.models import Adopt
from gateway.parked_csv import parked_csv
from gateway.parked_page import pipeline_names
from gateway.routes import admin_router, tells

router = admin_router("Geparkte Arbeit")


@router.get("/{tenant}/parked")
async def list_parked(asking: ApiAsking, wanted: Annotated[ListParked, Query()]) -> ParkedWorks:
    """Work that needs a person, page by page."""
    return await asking.call(LIST_PARKED, wanted)


@router.get("/{tenant}/parked/groups")
async def group_parked(asking: ApiAsking, wanted: Annotated[ParkedFilter, Query()]) -> ParkedGroups:
    """How much is parked, by cause."""
    return await asking.call(GROUP_PARKED, wanted)


@router.get(
    "/{tenant}/parked.csv",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)
async def parked_as_file(asking: ApiAsking, wanted: Annotated[ParkedFilter, Query()]) -> StreamingResponse:
    """Parked work as CSV for a German Excel."""
    pieces = await parked_csv(asking, wanted, await pipeline_names(asking))
    return as_csv(pieces, f"{asking.tenant}_geparkt.csv")


@router.post("/{tenant}/parked/retry", openapi_extra=tells(RETRY_PARKED))
async def retry_parked(asking: ApiAsking, retry: RetryParked) -> Retried:
    """Try parked or postponed work again, now."""
    return await asking.call(RETRY_PARKED, retry)


@router.post("/{tenant}/parked/retry-all", openapi_extra=tells(RETRY_ALL_PARKED))
async def retry_all_parked(asking: ApiAsking, retry: RetryAllParked) -> Retried:
    """Try all parked work of a cause or of a pipeline again."""
    return await asking.call(RETRY_ALL_PARKED, retry)


@router.post("/{tenant}/parked/discard", openapi_extra=tells(DISCARD_PARKED))
async def discard_parked(asking: ApiAsking, discard: DiscardParked) -> Discarded:
    """Give parked work up, for a reason that stands in the Aktivitätslog."""
    return await asking.call(DISCARD_PARKED, discard)


@router.post("/{tenant}/parked/{id}/adopt", openapi_extra=tells(ADOPT_CANDIDATE))
async def adopt_candidate(
    asking: ApiAsking, id_: Annotated[int, Path(alias="id", ge=1, lt=2**63)], adopt: Adopt
) -> CandidateAdopted:
    """Say which Kunde or Vertrag the Zoho record is; the work goes on with it."""
    return await asking.call(
        ADOPT_CANDIDATE, AdoptCandidate(id=id_, kunde=adopt.kunde, vertrag=adopt.vertrag)
    )


@router.get("/{tenant}/deletions")
async def list_deletions(asking: ApiAsking, wanted: Annotated[ListDeletions, Query()]) -> WaitingDeletions:
    """Records that wait to be deleted in Zoho, since their objects are gone in Ameise; page by page."""
    return await asking.call(LIST_DELETIONS, wanted)


@router.post("/{tenant}/deletions/keep", openapi_extra=tells(KEEP_RECORDS))
async def keep_records(asking: ApiAsking, chosen: ChosenDeletions) -> DeletionsDecided:
    """Keep them, until their objects come back and go again."""
    return await asking.call(KEEP_RECORDS, chosen)


@router.post("/{tenant}/deletions/now", openapi_extra=tells(DELETE_NOW))
async def delete_now(asking: ApiAsking, chosen: ChosenDeletions) -> DeletionsDecided:
    """Delete them without waiting longer, if their objects are still gone and nobody edited them."""
    return await asking.call(DELETE_NOW, chosen)
