"""The MitarbeiterWebservice of Ameise: reads and writes in the name of one Mitarbeiter.

Not documented, and so Rejected by an Ameise that lacks it: the update of a Vertrag. Everything raises the
errors of ``ameise.errors``; a Kunde that does not exist, or belongs to a Vermittler out of sight, is Rejected
with 404.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, TypeVar, cast

import httpx
from pydantic import ValidationError

from ameise.errors import assess
from ameise.models import (
    Adresse,
    AmeiseModel,
    CreatedKunde,
    Kontaktdatum,
    Kunde,
    ListEntry,
    Mitarbeiter,
    Vermittler,
    Vertrag,
)
from vendor import DEFAULT_TIMEOUTS, OPEN, Answer, Call, Gate, Timeouts, TokenSource, Transport, path_id

Body = Mapping[str, Any] | AmeiseModel
"""What is sent: Ameise's JSON by its own names, or a model of which the given fields are sent."""

_Model = TypeVar("_Model", bound=AmeiseModel)


class Liste(StrEnum):
    """The lists that give codes their texts."""

    SPARTEN = "sparten"
    VERTRAGSSTATUS = "vertragsstatus"
    LAENDER = "laender"
    ANREDEN = "anreden"
    RECHTSFORMEN = "rechtsformen"
    ZAHLWEISEN = "zahlweisen"
    GESELLSCHAFTEN = "gesellschaften"


LIST_PATHS: Mapping[Liste, str] = {liste: liste.value for liste in Liste}
"""Path of each list below the base URL. Only sparten and vertragsstatus are documented in public."""


class AmeiseClient:
    """Client for one Mitarbeiter; shares the HTTP connection pool, which its owner closes."""

    def __init__(
        self,
        base_url: str,
        mitarbeiter: str,
        token: TokenSource,
        http: httpx.AsyncClient,
        *,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
        list_paths: Mapping[Liste, str] = LIST_PATHS,
        gate: Gate = OPEN,
    ) -> None:
        """Take the REST base ("https://host/service/bd/employee/1.0/rest") and the Mitarbeiter-ID."""
        self._root = f"/{path_id(mitarbeiter)}"
        self._list_paths = {**LIST_PATHS, **list_paths}
        self._transport = Transport(
            system="ameise",
            base_url=base_url,
            auth_scheme="Bearer",
            token=token,
            http=http,
            assess=assess,
            timeouts=timeouts,
            gate=gate,
        )

    # -- people ---------------------------------------------------------------------------------------------

    async def get_mitarbeiter(self) -> Mitarbeiter:
        """Return the Mitarbeiter in whose name this client works."""
        return await self._get(Mitarbeiter, f"{self._root}/")

    async def get_vermittler(self, vermittler: str) -> Vermittler:
        """Return a Vermittler of the own hierarchy; Rejected with 404 outside of it.

        Ask before a Kunde is created: Ameise answers a foreign Vermittler with 400 and a page naming nothing.
        """
        return await self._get(Vermittler, f"{self._root}/vermittler/{path_id(vermittler)}")

    # -- Kunden ---------------------------------------------------------------------------------------------

    async def get_kunde(self, kunde: str) -> Kunde:
        """Return the Kunde with his main address; contact data and details are calls of their own."""
        return await self._get(Kunde, self._kunde(kunde))

    async def create_kunde(
        self,
        body: Body,
        *,
        mitteilung_benutzername: bool | None = None,
        mitteilung_passwort_link: bool | None = None,
        mitteilung_erstinfo_unterbinden: bool | None = None,
    ) -> CreatedKunde:
        """Create a Kunde from ``Person``, and optionally ``Hauptwohnsitz`` and ``Vermittler``.

        The switches say whether Ameise writes to the Kunde: his user name, a link to set a password, and not
        the Erstinformation (§ 11 VersVermV). None leaves it to Ameise.
        Not idempotent: after Unavailable with ``outcome_unknown`` look before you ask again.
        """
        switches = {
            "mitteilung-benutzername": mitteilung_benutzername,
            "mitteilung-passwort-link": mitteilung_passwort_link,
            "mitteilung-erstinfo-unterbinden": mitteilung_erstinfo_unterbinden,
        }
        params = {name: str(int(value)) for name, value in switches.items() if value is not None}
        call = Call("POST", f"{self._root}/kunden", params=params, body=_json(body), write=True)
        return self._parse(CreatedKunde, call, await self._transport.send(call))

    async def update_kunde(self, kunde: str, body: Body) -> None:
        """Change the given fields of the Kunde and no others; read him again to see what Ameise made of it.

        The main address is changed by ``update_adresse``.
        """
        await self._write("PUT", self._kunde(kunde), body)

    async def search_kunden(self, text: str, *, offset: int = 0, size: int = 50) -> list[Kunde]:
        """Return up to ``size`` Kunden whose data contain the text, from the offset on."""
        params = {"q": text, "from": str(offset), "size": str(size)}
        return await self._search(Call("GET", f"{self._root}/kunden/_search", params=params))

    async def search_kunden_by_mail(self, mail: str, *, offset: int = 0, size: int = 50) -> list[Kunde]:
        """Return the Kunden with this e-mail address; a family often shares one."""
        return await self._search_by({"mail": mail}, offset=offset, size=size)

    async def search_kunden_by_name(
        self, *, vorname: str, nachname: str, geburtsdatum: str, offset: int = 0, size: int = 50
    ) -> list[Kunde]:
        """Return the Kunden of this name, born on this day ("YYYY-MM-DD")."""
        query = {"vorname": vorname, "nachname": nachname, "geburtsdatum": geburtsdatum}
        return await self._search_by(query, offset=offset, size=size)

    # -- addresses, contact data, details -------------------------------------------------------------------

    async def list_adressen(self, kunde: str) -> list[Adresse]:
        """Return all addresses of the Kunde."""
        return await self._list(Adresse, f"{self._kunde(kunde)}/adressen")

    async def create_adresse(self, kunde: str, body: Body) -> str | None:
        """Add an address; return its id, None if Ameise names none (list them then)."""
        return await self._create(f"{self._kunde(kunde)}/adressen", body)

    async def update_adresse(self, kunde: str, adresse: str, body: Body) -> None:
        """Change an address of the Kunde."""
        await self._write("PUT", f"{self._kunde(kunde)}/adressen/{path_id(adresse)}", body)

    async def delete_adresse(self, kunde: str, adresse: str) -> None:
        """Delete an address of the Kunde."""
        await self._write("DELETE", f"{self._kunde(kunde)}/adressen/{path_id(adresse)}")

    async def list_kontaktdaten(self, kunde: str) -> list[Kontaktdatum]:
        """Return all contact data of the Kunde."""
        return await self._list(Kontaktdatum, f"{self._kunde(kunde)}/kontaktdaten")

    async def create_kontaktdatum(self, kunde: str, body: Body) -> str | None:
        """Add a way to reach the Kunde; return its id, None if Ameise names none (list them then)."""
        return await self._create(f"{self._kunde(kunde)}/kontaktdaten", body)

    async def update_kontaktdatum(self, kunde: str, kontaktdatum: str, body: Body) -> None:
        """Change a way to reach the Kunde."""
        await self._write("PUT", f"{self._kunde(kunde)}/kontaktdaten/{path_id(kontaktdatum)}", body)

    async def delete_kontaktdatum(self, kunde: str, kontaktdatum: str) -> None:
        """Delete a way to reach the Kunde."""
        await self._write("DELETE", f"{self._kunde(kunde)}/kontaktdaten/{path_id(kontaktdatum)}")

    async def get_detail(self, kunde: str, detail: str) -> Mapping[str, Any]:
        """Return an individual field of the Kunde as Ameise's JSON object, whose shape is not public."""
        call = Call("GET", f"{self._kunde(kunde)}/details/{path_id(detail)}")
        answer = await self._transport.send(call)
        parsed = answer.json()
        if not isinstance(parsed, dict):
            raise self._transport.unreadable(call, answer)
        return cast("dict[str, Any]", parsed)

    async def put_detail(self, kunde: str, detail: str, body: Body) -> None:
        """Set an individual field of the Kunde."""
        await self._write("PUT", f"{self._kunde(kunde)}/details/{path_id(detail)}", body)

    # -- Verträge and lists ---------------------------------------------------------------------------------

    async def list_vertraege(self, kunde: str) -> list[Vertrag]:
        """Return all Verträge of the Kunde."""
        return await self._list(Vertrag, f"{self._kunde(kunde)}/vertraege")

    async def get_vertrag(self, vertrag: str) -> Vertrag:
        """Return a Vertrag by its Vertragsnummer."""
        return await self._get(Vertrag, f"{self._root}/vertraege/{path_id(vertrag)}")

    async def create_vertrag(self, body: Body) -> Vertrag:
        """Create a Vertrag and return it as Ameise answers it, at least with its id.

        Not idempotent: after Unavailable with ``outcome_unknown`` look before you ask again.
        """
        call = Call("POST", f"{self._root}/vertraege", body=_json(body), write=True)
        return self._parse(Vertrag, call, await self._transport.send(call))

    async def update_vertrag(self, vertrag: str, body: Body) -> None:
        """Change the given fields of a Vertrag, as with a Kunde. Assumed: no such call is documented."""
        await self._write("PUT", f"{self._root}/vertraege/{path_id(vertrag)}", body)

    async def list_entries(self, liste: Liste) -> list[ListEntry]:
        """Return the codes of a list with their texts; lists are the same for every Mitarbeiter."""
        return await self._list(ListEntry, f"/{self._list_paths[liste]}")

    # -- how it is asked and read ---------------------------------------------------------------------------

    def _kunde(self, kunde: str) -> str:
        return f"{self._root}/kunden/{path_id(kunde)}"

    async def _get(self, model: type[_Model], path: str) -> _Model:
        call = Call("GET", path)
        return self._parse(model, call, await self._transport.send(call))

    async def _list(self, model: type[_Model], path: str) -> list[_Model]:
        call = Call("GET", path)
        return self._parse_list(model, call, await self._transport.send(call))

    async def _search_by(self, query: Mapping[str, str], *, offset: int, size: int) -> list[Kunde]:
        # A POST, but a read: the personal values stay out of the URL, and so out of everybody's access logs.
        params = {"from": str(offset), "size": str(size)}
        return await self._search(Call("POST", f"{self._root}/kunden/_search", params=params, body=query))

    async def _search(self, call: Call) -> list[Kunde]:
        return self._parse_list(Kunde, call, await self._transport.send(call))

    async def _create(self, path: str, body: Body) -> str | None:
        parsed = await self._write("POST", path, body)
        new_id = cast("dict[str, Any]", parsed).get("Id") if isinstance(parsed, dict) else None
        return None if new_id is None else str(new_id)

    async def _write(self, method: str, path: str, body: Body | None = None) -> object | None:
        call = Call(method, path, body=None if body is None else _json(body), write=True)
        answer = await self._transport.send(call)
        parsed = answer.json()
        if parsed is None and answer.body.strip() not in {b"", b"null"}:
            # A page that says 200 (a login, a proxy) has perhaps done nothing.
            raise self._transport.unreadable(call, answer)
        return parsed

    def _parse(self, model: type[_Model], call: Call, answer: Answer) -> _Model:
        return self._validate(model, answer.json(), call, answer)

    def _parse_list(self, model: type[_Model], call: Call, answer: Answer) -> list[_Model]:
        parsed = answer.json()
        if not isinstance(parsed, list):
            # Never taken for "nothing found": a duplicate Kunde would follow.
            raise self._transport.unreadable(call, answer)
        return [self._validate(model, item, call, answer) for item in cast("list[object]", parsed)]

    def _validate(self, model: type[_Model], value: object, call: Call, answer: Answer) -> _Model:
        if value is None:
            raise self._transport.unreadable(call, answer)
        try:
            return model.model_validate(value)
        except ValidationError as error:
            fields = sorted({".".join(str(part) for part in item["loc"]) for item in error.errors()})
        # Raised outside of the except: pydantic's error carries the values.
        raise self._transport.unreadable(call, answer, why=f"Unexpected: {', '.join(fields)}")


def _json(body: Body) -> object:
    return body.wire() if isinstance(body, AmeiseModel) else dict(body)
