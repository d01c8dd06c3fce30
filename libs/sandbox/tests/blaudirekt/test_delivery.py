"""DailyUp: what is exported, and that it arrives."""

import csv
import io
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import FTPServer

from sandbox.blaudirekt.export import COLUMNS, german_amount, german_day


class Ftp:
    """A receiving FTP server."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        authorizer = DummyAuthorizer()
        authorizer.add_user("demo01", "geheim", str(folder), perm="elw")
        handler = type("Handler", (FTPHandler,), {"authorizer": authorizer})
        self.server = FTPServer(("127.0.0.1", 0), handler)
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def _serve(self) -> None:
        while not self.stopped.is_set():
            self.server.serve_forever(timeout=0.02, blocking=False)
        self.server.close_all()

    @property
    def target(self) -> dict[str, Any]:
        port = self.server.socket.getsockname()[1]
        return {"protocol": "ftp", "host": "127.0.0.1", "port": port, "user": "demo01", "password": "geheim"}

    def rows(self, table: str, encoding: str = "utf-8") -> list[dict[str, str]]:
        [path] = self.folder.glob(f"*_{table}.csv")
        text = path.read_bytes().decode(encoding)
        return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=";"))


@pytest.fixture
def ftp(tmp_path: Path) -> Iterator[Ftp]:
    server = Ftp(tmp_path / "ftp")
    yield server
    server.stopped.set()
    server.thread.join()


async def seed(http: httpx.AsyncClient, **changes: Any) -> None:
    body = {"hauptvermittler": "DEMO01", "kunden": 80, "vertraege": 120, "seed": 3, **changes}
    assert (await http.post("/sandbox/ameise/seed", json=body)).status_code == 200


async def deliver(http: httpx.AsyncClient, ftp: Ftp, **changes: Any) -> httpx.Response:
    body = {"hauptvermittler": "DEMO01", "target": ftp.target, **changes}
    return await http.post("/blaudirekt/deliveries", json=body)


async def test_thirteen_tables_arrive(http: httpx.AsyncClient, ftp: Ftp) -> None:
    await seed(http)

    answer = await deliver(http, ftp)

    files = answer.json()["files"]
    assert len(files) == 13
    assert {path.name for path in ftp.folder.iterdir()} == {file["name"] for file in files}
    assert all((ftp.folder / file["name"]).stat().st_size == file["bytes"] for file in files)
    assert (len(ftp.rows("kunden")), len(ftp.rows("vertraege"))) == (80, 120)
    assert len(COLUMNS["kunden"]) == 18
    for table, columns in COLUMNS.items():
        [path] = ftp.folder.glob(f"DEMO01_????????_{table}.csv")
        assert path.read_bytes().split(b"\r\n")[0].decode() == ";".join(columns)


async def test_forms_of_values(http: httpx.AsyncClient, ftp: Ftp) -> None:
    await seed(http)
    await deliver(http, ftp)

    kunden, vertraege = ftp.rows("kunden"), ftp.rows("vertraege")
    assert any(row["plz"].startswith("0") for row in kunden)
    assert {row["verstorben"] for row in kunden} <= {"0", "1"}
    assert any(row["sparte_id"] == "050" for row in vertraege)
    assert all("," in row["beitrag_netto"] for row in vertraege)
    assert all(len(row["beginn"]) == 10 and row["beginn"][4] == "-" for row in vertraege)
    assert all(row["ablauf"] == "" or row["ablauf"][2] == "." for row in vertraege)
    assert (german_amount("1234567.5"), german_day("1980-01-02")) == ("1.234.567,50", "02.01.1980")


async def test_a_delivery_shows_the_state_of_its_moment(http: httpx.AsyncClient, ftp: Ftp) -> None:
    await seed(http, as_of="2026-01-01T02:00:00+01:00")
    edit = {"hauptvermittler": "DEMO01", "new": 2, "changed": 5, "gone": 3}
    day = (await http.post("/sandbox/ameise/edit", json=edit)).json()

    await deliver(http, ftp, as_of="2026-01-02T03:00:00+01:00", tables=["kunden"])
    before = {row["ameise_id"]: row for row in ftp.rows("kunden")}
    [old] = ftp.folder.glob("DEMO01_20260102_kunden.csv")
    old.unlink()
    await deliver(http, ftp, tables=["kunden", "kundenkommunikation"])
    after = {row["ameise_id"]: row for row in ftp.rows("kunden")}

    assert set(before) - set(after) == set(day["gone"])
    assert set(after) - set(before) == set(day["new"])
    changed = {id_ for id_ in set(before) & set(after) if before[id_] != after[id_]}
    in_kunden = {item["id"] for item in day["changed"] if item["fields"] != ["kundenkommunikation.wert"]}
    assert changed == in_kunden


async def test_what_is_written_by_rest_is_delivered(http: httpx.AsyncClient, ameise: Any, ftp: Ftp) -> None:
    person = {"Anrede": "1", "Nachname": "Weiß; Sohn", "Vorname": "Jörg", "Geburtsdatum": "1980-01-02"}
    made = (await ameise.call("POST", "kunden", json={"Person": person})).json()
    kontakt = {"Typ": "email", "Value": "joerg@example.org"}
    await ameise.call("POST", f"kunden/{made['Id']}/kontaktdaten", json=kontakt)
    await ameise.call("PUT", f"kunden/{made['Id']}/details/5", json={"Value": "52000"})

    await deliver(http, ftp, encoding="cp1252")

    [kunde] = ftp.rows("kunden", "cp1252")
    assert (kunde["nachname"], kunde["geburtsdatum"]) == ("Weiß; Sohn", "02.01.1980")
    assert kunde["created_at"] == datetime.now(UTC).date().isoformat()
    [row] = ftp.rows("kundenkommunikation", "cp1252")
    assert (row["kunde_id"], row["art"], row["wert"]) == (made["Id"], "email", "joerg@example.org")
    [detail] = ftp.rows("kundendetails", "cp1252")
    assert (detail["feld_id"], detail["wert"]) == ("5", "52.000,00")


async def test_an_ftp_refusal_is_told_in_words(http: httpx.AsyncClient, ftp: Ftp) -> None:
    await seed(http, kunden=1, vertraege=0)

    answer = await deliver(http, ftp, target={**ftp.target, "password": "falsch"})

    assert answer.status_code == 502
    assert "530" in answer.json()["error"]


async def test_only_a_hauptvermittlers_known_tables_are_delivered(http: httpx.AsyncClient, ftp: Ftp) -> None:
    await seed(http, kunden=1, vertraege=0)

    assert (await deliver(http, ftp, hauptvermittler="NIE000")).status_code == 404
    assert (await deliver(http, ftp, hauptvermittler="EMO01A")).status_code == 404
    assert (await deliver(http, ftp, tables=["provisionen"])).status_code == 400
