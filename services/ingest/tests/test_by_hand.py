"""`ingest import`, as an operator types it."""

import asyncio
import gzip
import zipfile
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from contracts.names import Table
from contracts.rpc.ingest import DeliveryState
from ingest.__main__ import cli
from ingest.spool import Spool


@pytest.fixture
def typed(settings: Any, urls: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`await typed("import", ...)` → what the command printed and how it ended."""
    environment = {
        "INGEST_NATS_URL": settings.nats_url, "INGEST_DATABASE_URL": urls.runtime,
        "INGEST_DATABASE_ALL_TENANTS_URL": urls.all_tenants, "INGEST_SPOOL_DIR": str(settings.spool_dir),
    }  # fmt: skip
    for name, value in (environment | {"COLUMNS": "200"}).items():
        monkeypatch.setenv(name, value)

    async def run(*arguments: str) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, cli, list(arguments))

    return run


def laid(folder: Path, files: dict[str, bytes]) -> str:
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return str(folder)


async def test_a_folder_is_imported_as_one_delivery(
    ingest: Any, kit: Any, typed: Any, tmp_path: Path
) -> None:
    await ingest.set_up()
    book = kit.a_book(3)
    book.tables[Table.KUNDE][0]["geburtsdatum"] = "31.2.1980"
    files = book.files(without=(Table.LAND,))
    files["vertragsstatus.csv.gz"] = gzip.compress(files.pop("DEMO01_20261124_vertragsstatus.csv"))
    path = laid(tmp_path / "files", files)
    result = await typed("import", path, "--tenant", kit.tenant)
    assert result.exit_code == 0, result.output
    [delivery] = await ingest.deliveries()
    assert (delivery.state, delivery.missing) == (DeliveryState.IMPORTED_WITH_WARNINGS, (Table.LAND,))
    assert len(await ingest.objects(Table.KUNDE, "5000000001", "5000000003")) == 2
    for words in ("kunde", "cell_unreadable", "date-like", "geburtsdatum", "imported_with_warnings"):
        assert words in result.output
    assert "31.2.1980" not in result.output
    uploaded = next(event for event in await ingest.events() if event.type == "delivery_uploaded")
    assert uploaded.actor_id == "operator"


async def test_a_dry_run_shows_and_keeps_nothing(ingest: Any, kit: Any, typed: Any, tmp_path: Path) -> None:
    await ingest.set_up()
    files = kit.a_book(2).files() | {"liesmich.txt": b"Guten Tag"}
    result = await typed("import", laid(tmp_path / "files", files), "--tenant", kit.tenant, "--dry-run")
    assert result.exit_code == 0, result.output
    for words in ("DEMO01_20261124_kunden.csv", "utf-8", "file_of_no_table"):
        assert words in result.output
    assert await ingest.deliveries() == ()
    assert list((Spool(ingest.settings.spool_dir).root / kit.tenant / "deliveries").iterdir()) == []


async def test_an_archive_is_one_delivery_and_can_be_tried(
    ingest: Any, kit: Any, typed: Any, tmp_path: Path
) -> None:
    await ingest.set_up()
    path = tmp_path / "dailyup.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in kit.a_book(2).files().items():
            archive.writestr(name, content)
    result = await typed("import", str(path), "--tenant", kit.tenant, "--dry-run")
    assert (result.exit_code, "DEMO01_20261124_kunden.csv" in result.output) == (0, True)
    result = await typed("import", str(path), "--tenant", kit.tenant)
    assert result.exit_code == 0, result.output
    [delivery] = await ingest.deliveries()
    assert (delivery.state, delivery.missing) == (DeliveryState.IMPORTED, ())


async def test_a_held_delivery_ends_the_command_with_a_failure(
    ingest: Any, kit: Any, typed: Any, tmp_path: Path
) -> None:
    book = kit.a_book(3)
    await ingest.deliver(book.files())
    book.tables[Table.VERTRAG].clear()
    result = await typed("import", laid(tmp_path / "files", book.files()), "--tenant", kit.tenant)
    assert result.exit_code == 1
    assert "held (vertrag: leer, obwohl 3 Zeilen gespeichert sind)" in result.output


@pytest.mark.parametrize(
    ("tenant", "words"),
    [
        ("unbekannt", "knows no team unbekannt: set up its way in for blau direkt first"),
        ("Nicht.Gut", "is no TenantId"),
    ],
)
async def test_a_team_that_does_not_exist_gets_no_delivery(
    ingest: Any, kit: Any, typed: Any, tmp_path: Path, tenant: str, words: str
) -> None:
    path = laid(tmp_path / "files", kit.a_book(1).files())
    for more in ((), ("--dry-run",)):
        result = await typed("import", path, "--tenant", tenant, *more)
        assert (result.exit_code, words in result.output) == (2, True), result.output
    assert await ingest.sql("SELECT count(*) FROM delivery") == [(0,)]
    assert not (ingest.settings.spool_dir / tenant).exists()


async def test_a_path_without_files_is_refused(ingest: Any, kit: Any, typed: Any, tmp_path: Path) -> None:
    await ingest.set_up()
    for path in (laid(tmp_path / "empty", {}), str(tmp_path / "nowhere")):
        result = await typed("import", path, "--tenant", kit.tenant)
        assert (result.exit_code, "no folder with files" in result.output) == (2, True)
