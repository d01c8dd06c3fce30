"""`/sandbox`: the strings behind the stage. Never part of a vendor's API."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse

from sandbox.ameise.book import KundenBook
from sandbox.ameise.hierarchy import WORLD, Vermittler, found_hierarchy, vermittler
from sandbox.ameise.problems import AmeiseError, UserError
from sandbox.context import Context, context_of
from sandbox.faults import FaultPlan
from sandbox.journal import JournalQuery
from sandbox.population import live_a_day, seed
from sandbox.shapes import object_of
from sandbox.state import PageQuery
from sandbox.zoho.customising import ModuleChange, change_module, module_of
from sandbox.zoho.orgs import PERSON, Org, org_named
from sandbox.zoho.records import Outcome, RecordBook, status_of
from sandbox.zoho.schema import MODULES, Module

Count = Annotated[int, Field(ge=0, le=1_000_000)]

router = APIRouter(prefix="/sandbox")


class SeedRequest(BaseModel):
    """Invented Kunden and Verträge for a Hauptvermittler."""

    model_config = ConfigDict(extra="forbid")

    hauptvermittler: str
    kunden: Count = 1000
    vertraege: Count = 2500
    seed: int = 1
    as_of: datetime | None = None
    """Since when they exist; now by default."""


class EditRequest(BaseModel):
    """A day's life."""

    model_config = ConfigDict(extra="forbid")

    hauptvermittler: str
    new: Count = 10
    changed: Count = 25
    gone: Count = 3
    seed: int = 2


class TokenKill(BaseModel):
    """Which tokens die at once."""

    model_config = ConfigDict(extra="forbid")

    vendor: Literal["zoho", "ameise"]
    kind: Literal["access", "refresh"]


@router.get("/journal")
async def journal(
    request: Request,
    *,
    vendor: str | None = None,
    since: int = 0,
    method: str | None = None,
    path: str | None = None,
    world: str | None = None,
    limit: int = 1000,
) -> JSONResponse:
    """Calls that reached the vendors, in the order of their answers; `since` is the last `seq` seen."""
    query = JournalQuery(vendor=vendor, method=method, path=path, world=world, since=since, limit=limit)
    return JSONResponse(context_of(request).journal.entries(query))


@router.get("/journal/counts")
async def journal_counts(request: Request) -> JSONResponse:
    """Calls counted by vendor, method, path without ids, and status."""
    return JSONResponse(context_of(request).journal.counts())


@router.post("/ameise/seed")
async def seed_ameise(request: Request, wanted: SeedRequest) -> JSONResponse:
    """Fill a Hauptvermittler's Ameise."""
    at = time.time() if wanted.as_of is None else wanted.as_of.timestamp()
    try:
        made = await seed(
            context_of(request).store,
            wanted.hauptvermittler,
            kunden=wanted.kunden,
            vertraege=wanted.vertraege,
            seed_=wanted.seed,
            at=at,
        )
    except ValueError as error:
        raise HTTPException(400, str(error)) from error
    return JSONResponse(made)


@router.post("/ameise/edit")
async def edit_ameise(request: Request, wanted: EditRequest) -> JSONResponse:
    """Let a day pass."""
    store = context_of(request).store
    haupt = vermittler(store, wanted.hauptvermittler)
    if haupt is None or haupt.parent is not None:
        raise HTTPException(404, f"no Hauptvermittler {wanted.hauptvermittler}")
    day = await live_a_day(
        store, haupt, new=wanted.new, changed=wanted.changed, gone=wanted.gone, seed_=wanted.seed
    )
    return JSONResponse(
        {"new": day.new, "changed": day.changed, "gone": day.gone, "gone_vertraege": day.gone_vertraege}
    )


def _home_of(context: Context, kundennummer: str) -> Vermittler:
    """The Hauptvermittler whose Ameise holds a Kunde. Kundennummern are unique in the whole sandbox."""
    for stored in context.store.all(WORLD, "vermittler"):
        if stored.data["parent"] is None:
            haupt = found_hierarchy(context.store, stored.id)
            if context.store.get(haupt.world, "kunde", kundennummer) is not None:
                return haupt
    raise HTTPException(404, f"no Kunde {kundennummer}")


@router.get("/ameise/kunden/{id_}")
async def look_at_kunde(request: Request, id_: str) -> JSONResponse:
    """The raw state of a Kunde, whoever owns him, with his Verträge."""
    context = context_of(request)
    haupt = _home_of(context, id_)
    stored = context.store.get(haupt.world, "kunde", id_)
    vertraege = [item.data for item in context.store.children(haupt.world, "vertrag", id_)]
    return JSONResponse({**(stored.data if stored else {}), "Vertraege": vertraege})


@router.put("/ameise/kunden/{id_}")
async def edit_kunde(request: Request, id_: str, change: dict[str, Any]) -> JSONResponse:
    """A person changes a Kunde in Ameise's own screens: the body of Ameise's PUT, and `Hauptwohnsitz`."""
    with _at_ameise(request, id_) as book:
        if "Hauptwohnsitz" in change:
            book.move(id_, object_of(change["Hauptwohnsitz"]))
        return JSONResponse(book.change_kunde(id_, change))


@router.post("/ameise/kunden/{id_}/vertraege")
async def add_vertrag(request: Request, id_: str, vertrag: dict[str, Any]) -> JSONResponse:
    """A person adds a Vertrag in Ameise's own screens; the same body as Ameise's POST."""
    with _at_ameise(request, id_) as book:
        return JSONResponse(book.add_vertrag({**vertrag, "Kunde": id_}))


@router.put("/ameise/kunden/{id_}/vertraege/{vertrag}")
async def edit_vertrag(request: Request, id_: str, vertrag: str, change: dict[str, Any]) -> JSONResponse:
    """A person changes a Vertrag in Ameise's own screens, whatever its API can do."""
    with _at_ameise(request, id_) as book:
        return JSONResponse(book.change_vertrag(vertrag, change))


@contextmanager
def _at_ameise(request: Request, kundennummer: str) -> Generator[KundenBook]:
    """Ameise's own screens, in which this Kunde is open."""
    context = context_of(request)
    try:
        yield KundenBook(context.store, _home_of(context, kundennummer), context.knobs.current)
    except UserError as fault:
        raise HTTPException(400, " ".join(fault.meldungen)) from fault
    except AmeiseError as fault:
        raise HTTPException(fault.status, str(fault)) from fault


def _screen(request: Request, org: str, module: str) -> tuple[Context, Org, Module, RecordBook]:
    """The CRM's own screens, with a person in front of them."""
    context = context_of(request)
    try:
        found = org_named(context.store, org)
    except ValueError as error:
        raise HTTPException(400, str(error)) from error
    target = module_of(context.store, found, module)
    if target is None:
        raise HTTPException(404, f"no module {module}")
    return context, found, target, RecordBook(context.store, found, context.webhooks, author=PERSON)


def _done(book: RecordBook, module: Module, outcomes: list[Outcome], success: int) -> JSONResponse:
    book.fire_rules(module, outcomes)
    [outcome] = outcomes
    if not outcome.ok:
        return JSONResponse(outcome.body, status_code=status_of(outcomes, success))
    return JSONResponse(outcome.body["details"], status_code=success)


@router.post("/zoho/{org}/{module}")
async def person_adds(request: Request, org: str, module: str, record: dict[str, Any]) -> JSONResponse:
    """A person adds a record in the CRM; rules fire. Answers `details` with the new id."""
    _, _, target, book = _screen(request, org, module)
    return _done(book, target, book.insert(target, [record]), 201)


@router.put("/zoho/{org}/{module}")
async def person_customises(request: Request, org: str, module: str, change: ModuleChange) -> JSONResponse:
    """A person changes fields of a module, or takes it away: what the body says, and no more, differs."""
    store = context_of(request).store
    if module not in MODULES:
        raise HTTPException(404, f"no module {module}")
    try:
        change_module(store, org_named(store, org), module, change)
    except ValueError as error:
        raise HTTPException(400, str(error)) from error
    return JSONResponse(change.model_dump(mode="json"))


@router.put("/zoho/{org}/{module}/{id_}")
async def person_edits(
    request: Request, org: str, module: str, id_: str, record: dict[str, Any]
) -> JSONResponse:
    """A person edits a record in the CRM; rules fire."""
    _, _, target, book = _screen(request, org, module)
    return _done(book, target, book.update(target, [{**record, "id": id_}], None), 200)


@router.delete("/zoho/{org}/{module}/{id_}")
async def person_deletes(request: Request, org: str, module: str, id_: str) -> JSONResponse:
    """A person deletes a record in the CRM."""
    _, _, target, book = _screen(request, org, module)
    return _done(book, target, book.delete(target, [id_]), 200)


@router.get("/zoho/{org}/{module}/{id_}")
async def look_at_record(request: Request, org: str, module: str, id_: str) -> JSONResponse:
    """One record with all its fields."""
    context, found, target, book = _screen(request, org, module)
    stored = context.store.get(found.world, target.api_name, id_)
    if stored is None:
        raise HTTPException(404, f"no record {id_} in {module}")
    return JSONResponse(book.shown(target, stored.data))


@router.get("/zoho/{org}/{module}")
async def look_at_records(
    request: Request,
    org: str,
    module: str,
    *,
    count: bool = False,  # a query parameter
    field: str | None = None,
    value: str | None = None,
    limit: int = 200,
) -> JSONResponse:
    """`?count=1`: how many; `?field=Kundennummer&value=...`: those with that value."""
    context, found, target, book = _screen(request, org, module)
    store, world = context.store, found.world
    if count:
        return JSONResponse({"count": store.count(world, target.api_name)})
    if field is not None and value is not None:
        ids = store.find(world, target.api_name, field, value)
        rows = [stored for id_ in ids if (stored := store.get(world, target.api_name, id_)) is not None]
    else:
        rows = store.page(world, target.api_name, PageQuery("id", descending=False, limit=limit))
    return JSONResponse({"data": [book.shown(target, row.data) for row in rows]})


@router.put("/faults")
async def add_fault(request: Request, plan: FaultPlan) -> JSONResponse:
    """Put a fault in force."""
    return JSONResponse(context_of(request).faults.add(plan).as_json(), status_code=201)


@router.get("/faults")
async def list_faults(request: Request) -> JSONResponse:
    """The faults in force."""
    return JSONResponse(context_of(request).faults.list())


@router.delete("/faults")
async def clear_faults(request: Request, id: int | None = None) -> JSONResponse:  # noqa: A002  # its public name
    """End all faults, or the one with `id`."""
    context_of(request).faults.clear(id)
    return JSONResponse(context_of(request).faults.list())


@router.put("/knobs")
async def turn_knobs(request: Request, changes: dict[str, Any]) -> JSONResponse:
    """Turn some knobs; those not named stay."""
    try:
        return JSONResponse(context_of(request).knobs.turn(changes).model_dump())
    except ValidationError as error:
        raise HTTPException(400, str(error)) from error


@router.get("/knobs")
async def show_knobs(request: Request) -> JSONResponse:
    """All knobs."""
    return JSONResponse(context_of(request).knobs.current.model_dump())


@router.post("/tokens/kill")
async def kill_tokens(request: Request, which: TokenKill) -> JSONResponse:
    """Let all access or refresh tokens of a vendor die: a 401 in the middle, or "please reconnect"."""
    context = context_of(request)
    grants = context.zoho_grants if which.vendor == "zoho" else context.ameise_grants
    return JSONResponse({"killed": grants.kill(which.kind)})
