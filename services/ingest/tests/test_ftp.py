"""What a client of the FTP server can do, and what not."""

import asyncio
import ftplib
import io
from typing import Any

import pytest
from prometheus_client import REGISTRY

from contracts.names import Table
from contracts.rpc.ingest import DeliveryState, FtpAccess


@pytest.mark.parametrize(
    "command", ["RETR kunden.csv", "DELE kunden.csv", "RNFR kunden.csv", "MKD x", "RMD x", "SITE CHMOD 777 x"]
)
async def test_a_user_can_only_put_files(ingest: Any, kit: Any, command: str) -> None:
    access = await ingest.set_up()

    def attempt() -> None:
        with kit.logged_in(access) as ftp:
            ftp.storbinary("STOR kunden.csv", io.BytesIO(b"ameise_id\r\n"))
            with pytest.raises(ftplib.error_perm):
                ftp.sendcmd(command)

    await asyncio.to_thread(attempt)


@pytest.mark.parametrize("path", ["../../x.csv", "/../x.csv", "/etc/x.csv"])
async def test_no_path_leaves_the_home(ingest: Any, kit: Any, path: str) -> None:
    access = await ingest.set_up()

    def attempt() -> None:
        with kit.logged_in(access) as ftp:
            try:
                ftp.storbinary(f"STOR {path}", io.BytesIO(b"x"))
            except ftplib.error_perm:
                return

    await asyncio.to_thread(attempt)
    outside = [p for p in ingest.settings.spool_dir.parent.rglob("x.csv") if "incoming" not in p.parts]
    assert outside == []


async def test_wrong_passwords_and_old_ones_are_refused(ingest: Any, kit: Any) -> None:
    old = await ingest.set_up()
    new = await ingest.set_up()
    assert (new.user, new.password != old.password) == (old.user, True)
    for access in (old, FtpAccess(host=old.host, port=old.port, user="nobody", password="x")):
        with pytest.raises(ftplib.error_perm):
            await asyncio.to_thread(kit.logged_in, access)
    (await asyncio.to_thread(kit.logged_in, new)).close()


async def test_the_password_is_not_stored(ingest: Any) -> None:
    access = await ingest.set_up()
    [row] = await ingest.sql("SELECT row_to_json(ftp_user)::text FROM ftp_user")
    assert access.password not in row[0]


async def test_a_cut_transfer_is_waited_for_and_can_be_resumed(ingest: Any, kit: Any) -> None:
    files = kit.a_book(2).files()
    name = next(name for name in files if name.endswith("_kunden.csv"))
    content = files.pop(name)
    await ingest.push(files)

    def cut_off() -> None:
        ftp = kit.logged_in(ingest.access[kit.tenant])
        ftp.voidcmd("TYPE I")
        data = ftp.transfercmd(f"STOR {name}")
        data.sendall(content[:100])
        ftp.sock.shutdown(2)
        ftp.close()
        data.close()

    def cuts() -> float:
        return REGISTRY.get_sample_value("ingest_ftp_files_total", {"result": "cut_off"}) or 0

    before = cuts()

    async def noticed() -> bool:
        return cuts() > before

    await asyncio.to_thread(cut_off)
    await kit.until(noticed)
    assert (await ingest.deliveries())[0].state is DeliveryState.RECEIVING

    def resume() -> None:
        with kit.logged_in(ingest.access[kit.tenant]) as ftp:
            ftp.voidcmd("TYPE I")
            there = ftp.size(name) or 0  # what the server had read when it noticed: up to 100 bytes
            ftp.storbinary(f"STOR {name}", io.BytesIO(content[there:]), rest=there)

    await asyncio.to_thread(resume)
    delivery = await ingest.ended(1)
    assert (delivery.state, delivery.counts[Table.KUNDE].new) == (DeliveryState.IMPORTED, 2)
