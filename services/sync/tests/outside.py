"""What surrounds sync in its tests: one team's worlds at the stand-ins, and the services that it asks."""

import base64
import hashlib
import json
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import xor
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from faststream.nats import NatsBroker
from pydantic import SecretStr

from chassis.rpc import Caller, serve
from contracts.ids import AmeiseKey, TenantId, new_id
from contracts.names import System, Table
from contracts.problems import NotConnected, NotFound, Unavailable
from contracts.rpc import Empty
from contracts.rpc.auth import (
    ACCESS_TOKEN,
    LIST_CONNECTIONS,
    AccessToken,
    AccessTokenRequest,
    Connection,
    Connections,
    ConnectionState,
)
from contracts.rpc.ingest import (
    BUCKETS,
    DIGEST,
    OBJECTS,
    SEND_AGAIN,
    BucketDigest,
    BucketObjects,
    BucketsRequest,
    ComposedObject,
    Digest,
    DigestRequest,
    Objects,
    ObjectsRequest,
    SendAgainReply,
    SendAgainRequest,
)
from contracts.rpc.ingest_format import GET_FORMAT, FormatChanges, FormatView, TableView
from contracts.work import KeyVersion

REDIRECT = "http://127.0.0.1/callback"
REST = "/ameise/service/bd/employee/1.0/rest"
CLIENT, SECRET = "sync-tests", "geheim"
KONTAKT_TYPEN = ("email", "telefon", "mobil", "website", "fax")


DETAILFELDER = {
    "1": "Hobby", "2": "Maklervollmacht liegt vor", "3": "Kundenklasse", "4": "Kinder",
    "5": "Jahreseinkommen", "6": "Erstkontakt",
}  # fmt: skip
"""The stand-in's individual fields: id → Bezeichnung."""

FIELDS = {
    Table.ANREDE: "id text juristische_person",
    Table.KUNDENDETAILFELD: "id bezeichnung typ",
    Table.KUNDE: (
        "ameise_id vermittler_id anrede_id titel vorname nachname strasse plz ort land_id geburtsdatum beruf "
        "nationalitaet rechtsform_id benutzername_simplr verstorben last_simplr_login_at created_at anrede "
        "juristische_person land rechtsform vermittler kommunikationen email telefon mobil website fax "
        "details"
    ),
    Table.VERTRAG: (
        "ameise_id kunde_id vermittler_id sparte_id gesellschaft_id status_id zahlweise_id "
        "versicherungsscheinnummer risiko beitrag_netto beginn ablauf sparte gesellschaft status zahlweise "
        "vermittler"
    ),
    Table.VERMITTLER: "vermittler_id name parent_id",
    **dict.fromkeys((Table.KUNDENKOMMUNIKATION, Table.KUNDENDETAIL), ""),
}
"""What ingest composes objects of, nothing of the parts of a Kunde; of all other tables `id text`."""

PAGE = 3
"""Objects of one answer of the played ingest: few, so that there are pages."""


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def bucket_of(key: str) -> str:
    return md5(key)[:3]


@dataclass(frozen=True)
class World:
    """One Hauptvermittler at Ameise and one organisation at Zoho, with their access tokens."""

    url: str
    http: httpx.AsyncClient
    haupt: str
    org: str
    ameise_token: str
    zoho_token: str

    @property
    def mitarbeiter(self) -> str:
        return f"{self.haupt}_1"

    # -- Ameise ---------------------------------------------------------------------------------------------

    async def seed(self, kunden: int, vertraege: int) -> list[str]:
        """Invented people; the Kundennummern of all who have a Vertrag."""
        body = {"hauptvermittler": self.haupt, "kunden": kunden, "vertraege": vertraege}
        await self._ok("POST", "/sandbox/ameise/seed", json=body)
        found = await self._rest("GET", "/vertraege")
        return sorted({vertrag["Kunde"] for vertrag in found})

    async def add_kunde(self, *, kontakt: dict[str, str] | None = None, **person: Any) -> str:
        """A Kunde by Ameise's own API; the Kundennummer."""
        body = {"Person": {"Anrede": "1", "Vorname": "Max"} | person}
        created = await self._rest("POST", "/kunden", json=body)
        for typ, value in (kontakt or {}).items():
            contact = {"Typ": typ, "Value": value, "Standard": True}
            await self._rest("POST", f"/kunden/{created['Id']}/kontaktdaten", json=contact)
        return created["Id"]

    async def kunde(self, number: str) -> dict[str, Any]:
        """The raw state, with Adressen, Kontaktdaten and Verträge."""
        return await self._ok("GET", f"/sandbox/ameise/kunden/{number}")

    async def kontakt(self, number: str, typ: str) -> str | None:
        items = (await self.kunde(number))["Kontaktdaten"]
        return next((item["Value"] for item in items if item["Typ"] == typ and item["Standard"]), None)

    async def edit_kunde(self, number: str, **person: Any) -> None:
        """Somebody changes the Kunde in Ameise's own screens."""
        await self._ok("PUT", f"/sandbox/ameise/kunden/{number}", json={"Person": person})

    async def move_kunde(self, number: str, **address: Any) -> None:
        """Somebody changes the Kunde's address in Ameise's own screens."""
        await self._ok("PUT", f"/sandbox/ameise/kunden/{number}", json={"Hauptwohnsitz": address})

    async def edit_detail(self, number: str, feld: str, value: str | None) -> None:
        """Somebody fills or empties an individual field."""
        await self._rest("PUT", f"/kunden/{number}/details/{feld}", json={"Value": value})

    async def named(self, nachname: str) -> list[str]:
        """The Kundennummern of all Kunden of a name."""
        return [k["Id"] for k in await self._rest("GET", "/kunden/_search", params={"q": nachname})]

    async def type_vertrag(self, kunde: str, **values: Any) -> str:
        """Somebody adds a Vertrag in Ameise's own screens; the Vertragsnummer."""
        return (await self._ok("POST", f"/sandbox/ameise/kunden/{kunde}/vertraege", json=values))["Id"]

    async def edit_vertrag(self, kunde: str, vertrag: str, **values: Any) -> None:
        """Somebody changes a Vertrag in Ameise's own screens."""
        await self._ok("PUT", f"/sandbox/ameise/kunden/{kunde}/vertraege/{vertrag}", json=values)

    async def vertraege_of(self, kunde: str) -> list[dict[str, Any]]:
        """The Verträge of a Kunde, as Ameise's API gives them."""
        return await self._rest("GET", f"/kunden/{kunde}/vertraege")

    async def add_vertrag(self, kunde: str, **values: Any) -> str:
        """A Vertrag by Ameise's own API; the Vertragsnummer."""
        return (await self._rest("POST", "/vertraege", json={"Kunde": kunde} | values))["Id"]

    async def _rest(self, method: str, path: str, **more: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.ameise_token}"}
        return await self._ok(method, f"{REST}/{self.mitarbeiter}{path}", headers=headers, **more)

    # -- Zoho -----------------------------------------------------------------------------------------------

    async def add(self, module: str = "Contacts", **values: Any) -> str:
        """A person adds a record; its id."""
        return (await self._ok("POST", f"/sandbox/zoho/{self.org}/{module}", json=values))["id"]

    async def edit(self, zoho_id: str, module: str = "Contacts", **values: Any) -> None:
        await self._ok("PUT", f"/sandbox/zoho/{self.org}/{module}/{zoho_id}", json=values)

    async def customise(self, module: str, change: dict[str, Any]) -> None:
        """A person changes the module itself; nothing else differs from what it was made as."""
        await self._ok("PUT", f"/sandbox/zoho/{self.org}/{module}", json=change)

    async def delete(self, zoho_id: str, module: str = "Contacts") -> None:
        await self._ok("DELETE", f"/sandbox/zoho/{self.org}/{module}/{zoho_id}")

    async def record(self, zoho_id: str, module: str = "Contacts") -> dict[str, Any]:
        return await self._ok("GET", f"/sandbox/zoho/{self.org}/{module}/{zoho_id}")

    async def records(self, module: str = "Contacts") -> list[dict[str, Any]]:
        path = f"/sandbox/zoho/{self.org}/{module}"
        return (await self._ok("GET", path, params={"limit": 5000}))["data"]

    async def contact_of(self, kundennummer: str, module: str = "Contacts") -> dict[str, Any] | None:
        """The record of a Kunde, None if there is none; fails if there are two."""
        query = {"field": "Kundennummer", "value": kundennummer}
        found = (await self._ok("GET", f"/sandbox/zoho/{self.org}/{module}", params=query))["data"]
        assert len(found) <= 1
        return found[0] if found else None

    # -- behind the stage -----------------------------------------------------------------------------------

    async def fault(self, kind: str, path: str, **more: Any) -> None:
        """Calls whose path matches go wrong, until `well_again` or as often as `times` says."""
        await self._ok("PUT", "/sandbox/faults", json={"kind": kind, "path_pattern": path} | more)

    async def knobs(self, **changes: Any) -> None:
        await self._ok("PUT", "/sandbox/knobs", json=changes)

    async def well_again(self) -> None:
        await self._ok("DELETE", "/sandbox/faults")
        knobs = {"ameise_late_post_seconds": 0, "ameise_search_lag_seconds": 0}
        await self.knobs(**knobs, ameise_normalise_phones=False, ameise_changes_vertraege=False)

    async def calls(self, method: str, path: str) -> list[dict[str, Any]]:
        """The vendors' journal: calls of this team whose path holds `path`."""
        found: list[dict[str, Any]] = []
        for world in (self.haupt, self.org):
            query = {"method": method, "path": path, "world": world, "limit": 100_000}
            found += await self._ok("GET", "/sandbox/journal", params=query)
        return found

    async def erstanlagen(self) -> int:
        """How often a Kunde was posted."""
        return sum(call["path"].endswith("/kunden") for call in await self.calls("POST", "/kunden"))

    async def _ok(self, method: str, path: str, **more: Any) -> Any:
        answer = await self.http.request(method, f"{self.url}{path}", **more)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None


async def connect_world(url: str, http: httpx.AsyncClient) -> World:
    """A new Hauptvermittler and a new organisation, both connected."""
    return await connected(url, http, uuid.uuid4().hex[:6].upper(), f"org-{uuid.uuid4().hex[:12]}")


async def connected(url: str, http: httpx.AsyncClient, haupt: str, org: str) -> World:
    """A Hauptvermittler and an organisation, connected (anew) by the authorization code flow."""
    basic = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
    scope = "ameise/mitarbeiterwebservice offline"
    ameise = await _token(
        http, f"{url}/ameise/oauth2/auth", f"{url}/ameise/oauth2/token",
        {"scope": scope, "mitarbeiter": f"{haupt}_1"}, {}, {"Authorization": f"Basic {basic}"},
    )  # fmt: skip
    zoho = await _token(
        http, f"{url}/zoho/oauth/v2/auth", f"{url}/zoho/oauth/v2/token",
        {"scope": "ZohoCRM.modules.ALL", "access_type": "offline", "org": org},
        {"client_id": CLIENT, "client_secret": SECRET}, {},
    )  # fmt: skip
    return World(url, http, haupt, org, ameise, zoho)


async def _token(
    http: httpx.AsyncClient,
    consent_url: str,
    token_url: str,
    wanted: dict[str, str],
    client: dict[str, str],
    headers: dict[str, str],
) -> str:
    form = {"response_type": "code", "client_id": CLIENT, "redirect_uri": REDIRECT, "decision": "accept"}
    consent = await http.post(consent_url, data=form | wanted)
    code = parse_qs(urlsplit(consent.headers["Location"]).query)["code"][0]
    grant = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT}
    return (await http.post(token_url, data=grant | client, headers=headers)).json()["access_token"]


@dataclass
class PlayedAuth:
    """The connections of one team; `connected = False` is "please reconnect"."""

    world: World
    connected: bool = True
    asked: int = 0

    def __post_init__(self) -> None:
        state = ConnectionState.ACTIVE
        self.ameise = Connection(id=new_id(), system=System.AMEISE, name="Ameise", state=state)
        self.zoho = Connection(id=new_id(), system=System.ZOHO, name="Zoho", state=state)

    def token(self, request: AccessTokenRequest) -> AccessToken:
        self.asked += 1
        if not self.connected:
            raise NotConnected("the refresh token is dead")
        expires = datetime.now(UTC) + timedelta(hours=1)
        if request.connection == self.ameise.id:
            token = SecretStr(self.world.ameise_token)
            return AccessToken(
                token=token, expires_at=expires, system=System.AMEISE, account=self.world.mitarbeiter
            )
        if request.connection == self.zoho.id:
            token, api_url = SecretStr(self.world.zoho_token), f"{self.world.url}/zoho"
            return AccessToken(
                token=token, expires_at=expires, system=System.ZOHO, account=self.world.org, api_url=api_url
            )
        raise NotFound("no such connection")


@dataclass
class AuthOfAll:
    teams: dict[TenantId, PlayedAuth] = field(default_factory=dict)

    def of(self, tenant: TenantId, world: World) -> PlayedAuth:
        return self.teams.setdefault(tenant, PlayedAuth(world))


def played_auth(broker: NatsBroker) -> AuthOfAll:
    """Answers auth's RPCs that sync uses."""
    every = AuthOfAll()

    async def access_token(request: AccessTokenRequest, caller: Caller) -> AccessToken:
        return every.teams[caller.tenant].token(request)

    async def list_connections(request: Empty, caller: Caller) -> Connections:
        team = every.teams[caller.tenant]
        return Connections(connections=(team.ameise, team.zoho))

    serve(broker, ACCESS_TOKEN, access_token, reveal=AccessToken.revealed)
    serve(broker, LIST_CONNECTIONS, list_connections)
    return every


@dataclass
class PlayedIngest:
    """What ingest has stored for one team: the objects of the last delivery of each."""

    world: World
    objects: dict[tuple[Table, str], ComposedObject] = field(default_factory=dict)
    asked_again: list[tuple[Table, ...]] = field(default_factory=list)
    sends_again: bool = True

    async def store(self, kunden: list[str], *, as_of: datetime | None = None) -> dict[Table, list[str]]:
        """Store Kunden with their Verträge as Ameise has them now; their keys by table."""
        as_of = as_of or datetime.now(UTC)
        keys: dict[Table, list[str]] = {Table.KUNDE: [], Table.VERTRAG: []}
        for number in kunden:
            kunde = await self.world.kunde(number)
            self.put(Table.KUNDE, number, kunde_fields(kunde), as_of=as_of)
            keys[Table.KUNDE].append(number)
            for vertrag in kunde["Vertraege"]:
                self.put(Table.VERTRAG, vertrag["Id"], vertrag_fields(vertrag), as_of=as_of)
                keys[Table.VERTRAG].append(vertrag["Id"])
        return keys

    def of_table(self, table: Table) -> list[ComposedObject]:
        """In the order of the keys."""
        return [o for (of, _), o in sorted(self.objects.items()) if of is table]

    def digest(self, table: Table) -> Digest:
        """As `contracts.rpc.ingest.BucketDigest` says."""
        hashes: dict[str, list[int]] = {}
        for o in self.of_table(table):
            line = f"{o.key} {o.version} {'true' if o.gone else 'false'}"
            hashes.setdefault(bucket_of(o.key), []).append(int(md5(line)[:16], 16))
        digests = (
            BucketDigest(bucket=bucket, objects=len(of), digest=f"{reduce(xor, of):016x}")
            for bucket, of in sorted(hashes.items())
        )
        as_of = min((o.as_of for o in self.of_table(table)), default=None)
        return Digest(buckets=tuple(digests), as_of=as_of)

    def put(
        self,
        table: Table,
        key: str,
        fields: dict[str, Any],
        *,
        as_of: datetime | None = None,
        unknown: tuple[str, ...] = (),
        gone: bool = False,
    ) -> None:
        known = {name: value for name, value in fields.items() if name not in unknown}
        seen = json.dumps([known, unknown, gone], sort_keys=True).encode()
        self.objects[table, key] = ComposedObject(
            key=AmeiseKey(key), version=hashlib.md5(seen).hexdigest(), as_of=as_of or datetime.now(UTC),
            gone=gone, fields={} if gone else known, unknown=unknown,
        )  # fmt: skip


@dataclass
class IngestOfAll:
    teams: dict[TenantId, PlayedIngest] = field(default_factory=dict)

    def of(self, tenant: TenantId, world: World) -> PlayedIngest:
        return self.teams.setdefault(tenant, PlayedIngest(world))


def played_ingest(broker: NatsBroker) -> IngestOfAll:
    """Answers ingest's RPCs that sync uses."""
    every = IngestOfAll()

    async def send_again(request: SendAgainRequest, caller: Caller) -> SendAgainReply:
        if not every.teams[caller.tenant].sends_again:
            raise Unavailable("Datenbank nicht erreichbar")
        every.teams[caller.tenant].asked_again.append(request.tables)
        return SendAgainReply(objects={})

    async def objects(request: ObjectsRequest, caller: Caller) -> Objects:
        stored = every.teams[caller.tenant].objects
        asked = ((request.table, str(key)) for key in request.keys)
        return Objects(objects=tuple(stored[one] for one in asked if one in stored))

    async def digest(request: DigestRequest, caller: Caller) -> Digest:
        return every.teams[caller.tenant].digest(request.table)

    async def buckets(request: BucketsRequest, caller: Caller) -> BucketObjects:
        of_table = every.teams[caller.tenant].of_table(request.table)
        chosen = [
            o for o in of_table if bucket_of(o.key) in request.buckets and o.key > (request.after or "")
        ]
        shown = tuple(KeyVersion(key=o.key, version=o.version, gone=o.gone) for o in chosen[:PAGE])
        return BucketObjects(objects=shown, more=len(chosen) > PAGE)

    async def get_format(request: Empty, caller: Caller) -> FormatView:
        tables = (
            TableView(table=t, files=(), key=(), columns=(), fields=tuple(FIELDS.get(t, "id text").split()))
            for t in Table
        )
        return FormatView(base="dailyup-1", changes=FormatChanges(), tables=tuple(tables))

    serve(broker, GET_FORMAT, get_format)
    serve(broker, OBJECTS, objects)
    serve(broker, DIGEST, digest)
    serve(broker, BUCKETS, buckets)
    serve(broker, SEND_AGAIN, send_again)
    return every


def kunde_fields(kunde: dict[str, Any]) -> dict[str, Any]:
    """A Kunde of the stand-in's state as ingest composes it."""
    person = kunde["Person"]
    wohnsitz = next((a for a in kunde["Adressen"] if a["Typ"] == "hauptwohnsitz"), {})
    kontakt = dict.fromkeys(KONTAKT_TYPEN) | {
        item["Typ"]: item["Value"] for item in reversed(kunde["Kontaktdaten"])
    }
    return {
        "ameise_id": kunde["Id"],
        "vermittler_id": kunde["Vermittler"],
        "benutzername_simplr": kunde["Benutzername"],
        "juristische_person": person["Anrede"] == "3",
        "anrede_id": person["Anrede"],
        "titel": person["Titel"],
        "vorname": person["Vorname"],
        "nachname": person["Nachname"],
        "geburtsdatum": person["Geburtsdatum"],
        "beruf": person["Beruf"],
        "rechtsform": f"Rechtsform {person['Rechtsform']}" if person["Rechtsform"] else None,
        "strasse": wohnsitz.get("Strasse"),
        "plz": wohnsitz.get("Postleitzahl"),
        "ort": wohnsitz.get("Ort"),
        "land_id": wohnsitz.get("Land"),
        "details": {name: kunde["Details"].get(feld) for feld, name in DETAILFELDER.items()},
        **kontakt,
    }


def vertrag_fields(vertrag: dict[str, Any]) -> dict[str, Any]:
    """A Vertrag of the stand-in's state as ingest composes it."""
    return {
        "ameise_id": vertrag["Id"],
        "kunde_id": vertrag["Kunde"],
        "vermittler_id": vertrag["Vermittler"],
        "sparte_id": vertrag["Sparte"],
        "sparte": f"Sparte {vertrag['Sparte']}",
        "gesellschaft": f"Gesellschaft {vertrag['Gesellschaft']}",
        "status": vertrag["Status"],
        "zahlweise": vertrag["Beitrag"]["Zahlweise"],
        "versicherungsscheinnummer": vertrag["Versicherungsscheinnummer"],
        "risiko": vertrag["Risiko"],
        "beitrag_netto": vertrag["Beitrag"]["Netto"],
        "beginn": vertrag["Laufzeit"]["Beginn"],
        "ablauf": vertrag["Laufzeit"]["Ablauf"],
    }
