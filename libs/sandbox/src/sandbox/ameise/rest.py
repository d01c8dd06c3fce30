"""The MitarbeiterWebservice: Mitarbeiter, Kunden, Verträge and lists over HTTP."""

import asyncio
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.ameise.access import Session, session_of
from sandbox.ameise.book import shown
from sandbox.ameise.hierarchy import vermittler
from sandbox.ameise.lists import LEGAL_PERSON, LISTS
from sandbox.ameise.problems import AmeiseError
from sandbox.context import base_of
from sandbox.shapes import is_object, object_of

PREFIX = "/service/bd/employee/1.0/rest"
SEARCH_SIZE = 20
SEARCH_LIMIT = 200

router = APIRouter(prefix=PREFIX)


async def _object(request: Request) -> dict[str, Any]:
    """The JSON object of the body. Raises AmeiseError 400: broken JSON draws an HTML page."""
    try:
        body = await request.json()
    except ValueError:
        raise AmeiseError(400) from None
    if not is_object(body):
        raise AmeiseError(400)
    return object_of(body)


async def _late(session: Session) -> None:
    """Wait as the knob says before a POST takes effect; a client that gives up does not stop it."""
    seconds = session.context.knobs.current.ameise_late_post_seconds
    if seconds:
        await asyncio.sleep(seconds)


def _list_route(name: str) -> None:
    async def listed(request: Request) -> JSONResponse:
        session_of(request)
        entries: list[dict[str, Any]] = [
            {"Value": value, "Text": text} for value, text in LISTS[name].items()
        ]
        if name == "anreden":
            for entry in entries:
                entry["JuristischePerson"] = entry["Value"] in LEGAL_PERSON
        return JSONResponse(entries)

    router.add_api_route(f"/{name}", listed, methods=["GET"], name=name)


for _name in LISTS:
    _list_route(_name)


@router.get("/{ma}")
@router.get("/{ma}/")
async def get_mitarbeiter(request: Request) -> JSONResponse:
    """The Mitarbeiter himself."""
    session = session_of(request)
    name = f"Mitarbeiter {session.mitarbeiter}"
    return JSONResponse({"Id": session.mitarbeiter, "Name": name, "Vermittler": session.vermittler.id})


@router.get("/{ma}/vermittler/{id_}")
async def get_vermittler(request: Request, id_: str) -> JSONResponse:
    """A Vermittler of the own hierarchy."""
    session = session_of(request)
    found = vermittler(session.context.store, id_)
    if found is None or found.hauptvermittler != session.vermittler.hauptvermittler:
        raise AmeiseError(404)
    return JSONResponse(found.as_json())


@router.post("/{ma}/kunden")
async def add_kunde(request: Request) -> JSONResponse:
    """A new Kunde; answers only his Id and Benutzername."""
    session, body = session_of(request), await _object(request)
    await _late(session)
    kunde = session.book.add_kunde(body)
    return JSONResponse({"Id": kunde["Id"], "Benutzername": kunde["Benutzername"]})


@router.get("/{ma}/kunden/_search")
async def search_kunden(request: Request) -> JSONResponse:
    """Kunden by `q`: Kundennummer, mail, or words of the name."""
    session = session_of(request)
    query = {name: value for name, value in request.query_params.items() if name not in ("from", "size")}
    return _hits(session, query, dict(request.query_params))


@router.post("/{ma}/kunden/_search")
async def search_kunden_by_fields(request: Request) -> JSONResponse:
    """Kunden by `mail`, or by `vorname`, `nachname` and `geburtsdatum`."""
    session, body = session_of(request), await _object(request)
    page = {name: body.pop(name) for name in ("from", "size") if name in body}
    return _hits(session, body, {**dict(request.query_params), **page})


def _hits(session: Session, query: dict[str, Any], page: dict[str, Any]) -> JSONResponse:
    try:
        start, size = int(page.get("from") or 0), min(int(page.get("size") or SEARCH_SIZE), SEARCH_LIMIT)
    except ValueError:
        raise AmeiseError(400) from None
    hits = session.book.search(query)[start : start + size]
    return JSONResponse([shown(kunde) for kunde in hits])


@router.get("/{ma}/kunden/{id_}")
async def get_kunde(request: Request, id_: str) -> JSONResponse:
    """A Kunde with Person and Hauptwohnsitz."""
    return JSONResponse(shown(session_of(request).book.kunde(id_)))


@router.put("/{ma}/kunden/{id_}")
async def set_kunde(request: Request, id_: str) -> JSONResponse:
    """Change the given keys of a Kunde."""
    session, body = session_of(request), await _object(request)
    return JSONResponse(shown(session.book.change_kunde(id_, body)))


@router.get("/{ma}/kunden/{id_}/adressen")
async def get_adressen(request: Request, id_: str) -> JSONResponse:
    """The Adressen, the Hauptwohnsitz among them."""
    return JSONResponse(session_of(request).book.kunde(id_)["Adressen"])


@router.post("/{ma}/kunden/{id_}/adressen")
async def add_adresse(request: Request, id_: str) -> JSONResponse:
    """A further Adresse."""
    session, body = session_of(request), await _object(request)
    await _late(session)
    return JSONResponse(session.book.add_adresse(id_, body))


@router.put("/{ma}/kunden/{id_}/adressen/{part}")
async def set_adresse(request: Request, id_: str, part: str) -> JSONResponse:
    """Change the given keys of an Adresse."""
    session, body = session_of(request), await _object(request)
    return JSONResponse(session.book.change_adresse(id_, part, body))


@router.delete("/{ma}/kunden/{id_}/adressen/{part}")
async def delete_adresse(request: Request, id_: str, part: str) -> Response:
    """Remove an Adresse."""
    session_of(request).book.remove_part(id_, "Adressen", part)
    return Response(status_code=204)


@router.get("/{ma}/kunden/{id_}/kontaktdaten")
async def get_kontaktdaten(request: Request, id_: str) -> JSONResponse:
    """The Kontaktdaten."""
    return JSONResponse(session_of(request).book.kunde(id_)["Kontaktdaten"])


@router.post("/{ma}/kunden/{id_}/kontaktdaten")
async def add_kontaktdatum(request: Request, id_: str) -> JSONResponse:
    """A further Kontaktdatum."""
    session, body = session_of(request), await _object(request)
    await _late(session)
    return JSONResponse(session.book.add_kontaktdatum(id_, body))


@router.put("/{ma}/kunden/{id_}/kontaktdaten/{part}")
async def set_kontaktdatum(request: Request, id_: str, part: str) -> JSONResponse:
    """Change the given keys of a Kontaktdatum."""
    session, body = session_of(request), await _object(request)
    return JSONResponse(session.book.change_kontaktdatum(id_, part, body))


@router.delete("/{ma}/kunden/{id_}/kontaktdaten/{part}")
async def delete_kontaktdatum(request: Request, id_: str, part: str) -> Response:
    """Remove a Kontaktdatum."""
    session_of(request).book.remove_part(id_, "Kontaktdaten", part)
    return Response(status_code=204)


@router.get("/{ma}/kunden/{id_}/details/{feld}")
async def get_detail(request: Request, id_: str, feld: str) -> JSONResponse:
    """An individual field."""
    return JSONResponse(session_of(request).book.detail(id_, feld))


@router.put("/{ma}/kunden/{id_}/details/{feld}")
async def set_detail(request: Request, id_: str, feld: str) -> JSONResponse:
    """Fill or empty an individual field."""
    session, body = session_of(request), await _object(request)
    return JSONResponse(session.book.set_detail(id_, feld, body))


def _with_uri(request: Request, session: Session, vertrag: dict[str, Any]) -> dict[str, Any]:
    return {**vertrag, "Uri": f"{base_of(request)}{PREFIX}/{session.mitarbeiter}/vertraege/{vertrag['Id']}"}


@router.get("/{ma}/kunden/{id_}/vertraege")
async def get_vertraege_of_kunde(request: Request, id_: str) -> JSONResponse:
    """The Verträge of a Kunde."""
    session = session_of(request)
    return JSONResponse([_with_uri(request, session, item) for item in session.book.vertraege_of(id_)])


@router.post("/{ma}/vertraege")
async def add_vertrag(request: Request) -> JSONResponse:
    """A new Vertrag."""
    session, body = session_of(request), await _object(request)
    await _late(session)
    return JSONResponse(_with_uri(request, session, session.book.add_vertrag(body)))


@router.get("/{ma}/vertraege")
async def get_vertraege(request: Request) -> JSONResponse:
    """All Verträge of the hierarchy."""
    session = session_of(request)
    return JSONResponse([_with_uri(request, session, item) for item in session.book.vertraege()])


@router.get("/{ma}/vertraege/{id_}")
async def get_vertrag(request: Request, id_: str) -> JSONResponse:
    """A Vertrag."""
    session = session_of(request)
    return JSONResponse(_with_uri(request, session, session.book.vertrag(id_)))


@router.put("/{ma}/vertraege/{id_}")
async def set_vertrag(request: Request, id_: str) -> JSONResponse:
    """Change the given keys of a Vertrag. There is no documented way to do so: 405, unless the knob is on."""
    session, body = session_of(request), await _object(request)
    if not session.context.knobs.current.ameise_changes_vertraege:
        raise AmeiseError(405)
    return JSONResponse(_with_uri(request, session, session.book.change_vertrag(id_, body)))
