"""What a client of the FTP server can do, and what not."""

import asyncio
import errno
import ftplib
import io
import ssl
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from contracts.names import Table
from contracts.rpc import Empty
from contracts.rpc.ingest import STATUS, DeliveryState, FtpAccess
from ingest import tls, uploading

FORBIDDEN = (
    "RETR kunden.csv", "DELE kunden.csv", "RNFR kunden.csv", "MKD x", "RMD x", "SITE CHMOD 777 x", "STOU",
)  # fmt: skip


async def test_a_user_can_only_put_files(ingest: Any, kit: Any) -> None:
    access = await ingest.set_up()

    def attempt() -> None:
        with kit.logged_in(access) as ftp:
            ftp.storbinary("STOR kunden.csv", io.BytesIO(b"ameise_id\r\n"))
            for command in FORBIDDEN:
                with pytest.raises(ftplib.error_perm):
                    ftp.sendcmd(command)

    await asyncio.to_thread(attempt)


async def test_no_path_leaves_the_home(ingest: Any, kit: Any) -> None:
    access = await ingest.set_up()

    def attempt() -> None:
        for path in ("../../x.csv", "/../x.csv", "/etc/x.csv"):
            with kit.logged_in(access) as ftp, suppress(ftplib.error_perm):
                ftp.storbinary(f"STOR {path}", io.BytesIO(b"x"))

    await asyncio.to_thread(attempt)
    outside = [p for p in ingest.settings.spool_dir.parent.rglob("x.csv") if "berlin" not in p.parts]
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
        data.sendall(content[: content.index(b"\n") + 1])  # it ends like a whole file
        ftp.sock.shutdown(2)
        ftp.close()
        data.close()

    def cuts() -> float:
        return (
            REGISTRY.get_sample_value("ingest_received_files_total", {"protocol": "ftp", "result": "cut_off"})
            or 0
        )

    before = cuts()

    async def noticed() -> bool:
        return cuts() > before

    await asyncio.to_thread(cut_off)
    await kit.until(noticed)
    assert (await ingest.deliveries())[0].state is DeliveryState.RECEIVING

    def resume() -> None:
        with kit.logged_in(ingest.access[kit.tenant]) as ftp:
            ftp.voidcmd("TYPE I")
            there = ftp.size(name) or 0  # what the server had read when it noticed
            ftp.storbinary(f"STOR {name}", io.BytesIO(content[there:]), rest=there)

    await asyncio.to_thread(resume)
    delivery = await ingest.ended(1)
    assert (delivery.state, delivery.counts[Table.KUNDE].new) == (DeliveryState.IMPORTED, 2)


async def test_a_file_that_ends_in_order_is_whole_wherever_it_ends(ingest: Any, kit: Any) -> None:
    files = kit.a_book(2).files()
    name = next(name for name in files if name.endswith("_kunden.csv"))
    await ingest.push({other: files[other] for other in files if other != name})
    with kit.logged_in(ingest.access[kit.tenant]) as ftp:
        send = io.BytesIO(files[name].removesuffix(b"\r\n"))
        await asyncio.to_thread(ftp.storbinary, f"STOR {name}", send)
        delivery = await ingest.ended(1)  # the client says nothing more, and is still there
        assert (delivery.state, delivery.counts[Table.KUNDE].new) == (DeliveryState.IMPORTED, 2)


async def test_an_append_within_the_quiet_time_goes_on_where_the_file_ends(start: Any, kit: Any) -> None:
    files = kit.a_book(2).files()
    name = next(name for name in files if name.endswith("_kunden.csv"))
    content = files[name]

    def in_two_parts() -> None:
        with kit.logged_in(access) as ftp:
            ftp.storbinary(f"STOR {name}", io.BytesIO(content[:100]))
            ftp.storbinary(f"APPE {name}", io.BytesIO(content[100:]))

    async with start(quiet_seconds=2.0) as ingest:
        access = await ingest.set_up()
        await ingest.push({other: files[other] for other in files if other != name})
        await asyncio.to_thread(in_two_parts)
        delivery = await ingest.ended(1)
        assert (delivery.state, delivery.counts[Table.KUNDE].new) == (DeliveryState.IMPORTED, 2)


# ── TLS ──────────────────────────────────────────────────────────────────────


async def test_the_certificate_is_the_one_that_was_given(ingest: Any, certificate: Path) -> None:
    access = await ingest.set_up()

    def connect() -> str | None:
        with ftplib.FTP_TLS(context=ssl.create_default_context(cafile=certificate), timeout=10) as ftp:
            ftp.connect(access.host, access.port)
            ftp.login(access.user, access.password)  # checks the certificate and its name first
            return ftp.sock.version()

    assert await asyncio.to_thread(connect) in {"TLSv1.2", "TLSv1.3"}


async def test_new_connections_use_a_renewed_certificate_and_open_ones_go_on(
    start: Any, kit: Any, tmp_path: Path
) -> None:
    given = tmp_path / "given.pem"
    given.write_bytes(first := tls.self_signed("127.0.0.1"))
    async with start(ftp_tls_certificate=given) as ingest:
        access = await ingest.set_up()

        def shown_to(ftp: ftplib.FTP_TLS) -> bytes:
            return x509.load_der_x509_certificate(ftp.sock.getpeercert(True)).public_bytes(Encoding.PEM)

        def renew() -> None:
            with kit.logged_in(access) as before:
                assert first.startswith(shown_to(before))
                given.write_bytes(b"half")
                with kit.logged_in(access) as during:
                    assert first.startswith(shown_to(during)), "a half written file is none"
                given.write_bytes(second := tls.self_signed("127.0.0.1"))
                with kit.logged_in(access) as after:
                    assert second.startswith(shown_to(after))
                before.storbinary("STOR sparten.csv", io.BytesIO(b"id;text\n"))

        await asyncio.to_thread(renew)


async def test_without_tls_the_password_is_not_even_asked_for(ingest: Any, kit: Any) -> None:
    access = await ingest.set_up()

    def attempt() -> None:
        with ftplib.FTP(timeout=10) as ftp:
            ftp.connect(access.host, access.port)
            for user in (access.user, "nobody"):
                with pytest.raises(ftplib.error_perm, match="550 TLS required"):
                    ftp.sendcmd(f"USER {user}")

    await asyncio.to_thread(attempt)


async def test_data_must_go_through_tls_too(ingest: Any, kit: Any) -> None:
    access = await ingest.set_up()

    def attempt() -> None:
        with kit.logged_in(access) as ftp:
            ftp.prot_c()
            with pytest.raises(ftplib.error_perm, match="SSL/TLS required on the data channel"):
                ftp.storbinary("STOR kunden.csv", io.BytesIO(b"ameise_id\r\n"))

    await asyncio.to_thread(attempt)


async def test_a_tenant_may_allow_plain_ftp_and_take_it_back(ingest: Any, kit: Any) -> None:
    access = await ingest.set_up(plain_allowed=True)
    assert access.plain_allowed

    def push_plain() -> None:
        with kit.logged_in(access, plain=True) as ftp:
            ftp.storbinary("STOR kunden.csv", io.BytesIO(b"ameise_id\r\n"))

    with capture_logs() as logged:
        await asyncio.to_thread(push_plain)
    warnings = [entry for entry in logged if entry["event"] == "ftp.plain_login"]
    assert [(entry["log_level"], entry["tenant"]) for entry in warnings] == [("warning", kit.tenant)]
    assert (await ingest.call(STATUS, Empty())).ftp.plain_allowed
    assert (await ingest.set_up()).plain_allowed, "a new password changes nothing else"
    access = await ingest.set_up(plain_allowed=False)
    assert not (await ingest.call(STATUS, Empty())).ftp.plain_allowed
    with pytest.raises(ftplib.error_perm):
        await asyncio.to_thread(push_plain)


async def test_the_installation_may_allow_plain_ftp_to_new_users(start: Any, kit: Any) -> None:
    async with start(ftp_plain_allowed=True) as ingest:
        assert (await ingest.set_up()).plain_allowed
        assert not (await ingest.set_up(plain_allowed=False)).plain_allowed
        assert not (await ingest.set_up()).plain_allowed


# ── who tries, and how much ──────────────────────────────────────────────────


async def test_an_address_whose_logins_fail_too_often_is_blocked_for_a_while(start: Any, kit: Any) -> None:
    async with start(failed_logins_to_block=2, failed_logins_block=timedelta(seconds=2)) as ingest:
        access = await ingest.set_up()
        wrong = access.model_copy(update={"password": "wrong"})
        for _ in range(2):
            with pytest.raises(ftplib.error_perm, match="530"):
                await asyncio.to_thread(kit.logged_in, wrong)
        with pytest.raises(ftplib.error_temp, match="421 Too many failed logins"):
            await asyncio.to_thread(kit.logged_in, access)

        async def may_come_again() -> bool:
            try:
                (await asyncio.to_thread(kit.logged_in, access)).close()
            except ftplib.error_temp:
                return False
            return True

        await kit.until(may_come_again)


async def test_a_transfer_above_a_limit_is_cut_and_told(start: Any, kit: Any) -> None:
    async with start(upload_file_bytes=100_000, upload_home_files=1) as ingest:
        access = await ingest.set_up(plain_allowed=True)
        for plain in (False, True):
            answer = await asyncio.to_thread(refused_upload, kit, access, "kunden.csv", plain=plain)
            assert answer.startswith("552 The file is larger")
        answer = await asyncio.to_thread(refused_upload, kit, access, "vertraege.csv", plain=False)
        assert answer.startswith("550 There are too many files")
        [file] = ingest.spool.files(kit.tenant, None)
        assert (file.name, file.unfinished) == ("kunden.csv", True)


async def test_a_full_disk_is_told_and_the_next_file_is_taken_again(
    ingest: Any, kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    access = await ingest.set_up(plain_allowed=True)

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched, capture_logs() as logged:
        patched.setattr(uploading, "_write_all", full)
        for plain in (False, True):
            answer = await asyncio.to_thread(refused_upload, kit, access, "DEMO01_kunden.csv", plain=plain)
            assert answer.startswith("452 No space left")
    assert [entry["reason"] for entry in logged if entry["event"] == "upload.refused"] == ["disk_full"] * 2
    files = kit.a_book(1).files()
    files["DEMO01_kunden.csv"] = files.pop("DEMO01_20261124_kunden.csv")
    await ingest.push(files)
    assert (await ingest.ended(1)).counts[Table.KUNDE].new == 1


def refused_upload(kit: Any, access: FtpAccess, name: str, *, plain: bool) -> str:
    """Send a megabyte, which the server ends early; its reply."""
    ftp = kit.logged_in(access, plain=plain)
    try:
        ftp.storbinary(f"STOR {name}", io.BytesIO(b"0123456789\r\n" * 100_000))
    except (ftplib.error_perm, ftplib.error_temp) as refused:
        return str(refused)
    except OSError:  # what was sent came back: the reply is on the other connection
        with pytest.raises((ftplib.error_perm, ftplib.error_temp)) as refused:
            ftp.getresp()
        return str(refused.value)
    finally:
        ftp.close()
    raise AssertionError("it was taken")


async def test_a_connection_can_be_slowed_down(start: Any, kit: Any) -> None:
    async with start(upload_bytes_per_second=400_000) as ingest:
        access = await ingest.set_up(plain_allowed=True)

        def push(name: str, *, plain: bool) -> float:
            with kit.logged_in(access, plain=plain) as ftp:
                began = time.monotonic()
                ftp.storbinary(f"STOR {name}", io.BytesIO(b"0123456\r\n" * 40_000))
                return time.monotonic() - began

        assert await asyncio.to_thread(push, "kunden.csv", plain=False) > 0.5
        assert await asyncio.to_thread(push, "vertraege.csv", plain=True) > 0.5
        found = ingest.spool.files(kit.tenant, None)
        assert [(file.size, file.unfinished) for file in found] == [(360_000, False)] * 2


async def test_a_file_that_outlives_its_delivery_is_not_acknowledged(start: Any, kit: Any) -> None:
    async with start(waiting_time=timedelta(0)) as ingest:
        access = await ingest.set_up()

        def begin() -> tuple[ftplib.FTP, Any]:
            ftp = kit.logged_in(access)
            ftp.voidcmd("TYPE I")
            data = ftp.transfercmd("STOR kunden.csv")
            data.sendall(b"ameise_id\r\n")
            return ftp, data

        def go_on(ftp: ftplib.FTP, data: Any) -> str:
            data.sendall(b"5000000001\r\n")
            data.unwrap()
            data.close()
            with pytest.raises(ftplib.error_temp) as refused:
                ftp.voidresp()
            ftp.close()
            return str(refused.value)

        ftp, data = await asyncio.to_thread(begin)
        delivery = await ingest.ended(1)  # it was silent for the quiet time, and nothing more is waited for
        assert (delivery.state, Table.KUNDE in delivery.missing) == (DeliveryState.FAILED, True)
        assert (await asyncio.to_thread(go_on, ftp, data)).startswith("451 The delivery was closed")
