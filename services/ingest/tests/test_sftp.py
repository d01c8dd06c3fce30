"""What a client of the SFTP server can do, and what not."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from structlog.testing import capture_logs

from contracts.names import Table
from contracts.rpc.ingest import DeliveryState, FtpAccess
from mvp_connector.ports import free_ports


@pytest.fixture
async def ingest(start: Any) -> AsyncIterator[Any]:
    async with start(sftp_port=free_ports(1)[0]) as service:
        yield service


def connection(access: FtpAccess, *, user: str | None = None, password: str | None = None) -> Any:
    return asyncssh.connect(
        access.host, access.sftp_port, username=user or access.user, password=password or access.password,
        known_hosts=None, client_keys=None, config=None, agent_path=None,
    )  # fmt: skip


@asynccontextmanager
async def logged_in(access: FtpAccess) -> AsyncIterator[asyncssh.SFTPClient]:
    async with connection(access) as connected, connected.start_sftp_client() as sftp:
        yield sftp


async def test_a_delivery_may_come_by_sftp(ingest: Any, kit: Any) -> None:
    access = await ingest.set_up()
    async with logged_in(access) as sftp:
        for name, content in kit.a_book(2).files().items():
            async with sftp.open(name, "wb") as file:
                await file.write(content)
    delivery = await ingest.ended(1)
    assert (delivery.state, delivery.counts[Table.KUNDE].new) == (DeliveryState.IMPORTED, 2)


@pytest.mark.skipif(shutil.which("sftp") is None, reason="OpenSSH's sftp is not installed")
async def test_openssh_can_put_and_resume(ingest: Any, kit: Any, tmp_path: Path) -> None:
    access = await ingest.set_up()
    files = kit.a_book(2).files()
    resumed = next(name for name in files if name.endswith("_kunden.csv"))
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    ask = tmp_path / "ask"
    ask.write_text(f"#!/bin/sh\necho '{access.password}'\n")
    ask.chmod(0o700)
    upload, _ = ingest.spool.open_upload(kit.tenant, resumed, anew=True, make=True)
    upload.write(files[resumed][:100])
    upload.close()
    batch = "".join(f"{'reput' if name == resumed else 'put'} {tmp_path / name}\n" for name in files)
    process = await asyncio.create_subprocess_exec(
        "sftp", "-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={tmp_path / 'hosts'}",
        "-o", "PreferredAuthentications=password", "-o", "NumberOfPasswordPrompts=1", "-o", "BatchMode=no",
        "-F", "/dev/null", "-P", str(access.sftp_port), f"{access.user}@{access.host}",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        env=os.environ | {"SSH_ASKPASS": str(ask), "SSH_ASKPASS_REQUIRE": "force"},
    )  # fmt: skip
    said, _ = await process.communicate(batch.encode())
    assert process.returncode == 0, said.decode()
    delivery = await ingest.ended(1)
    assert (delivery.state, delivery.counts[Table.KUNDE].new) == (DeliveryState.IMPORTED, 2), said.decode()


async def test_a_user_can_only_put_files(ingest: Any) -> None:
    access = await ingest.set_up()
    async with logged_in(access) as sftp:
        async with sftp.open("kunden.csv", "wb") as file:
            await file.write(b"ameise_id\r\n")
        attempts = (
            lambda: sftp.open("kunden.csv", "rb"),
            lambda: sftp.remove("kunden.csv"),
            lambda: sftp.rename("kunden.csv", "x.csv"),
            lambda: sftp.posix_rename("kunden.csv", "x.csv"),
            lambda: sftp.mkdir("x"),
            lambda: sftp.rmdir("x"),
            lambda: sftp.symlink("/etc/passwd", "x.csv"),
            lambda: sftp.link("kunden.csv", "x.csv"),
            lambda: sftp.readlink("kunden.csv"),
            lambda: sftp.open("folder/x.csv", "wb"),
            lambda: sftp.open(".hidden", "wb"),
            lambda: sftp.statvfs("/"),
        )
        for attempt in attempts:
            with pytest.raises(asyncssh.SFTPError):
                await attempt()
    async with connection(access) as connected:
        with pytest.raises(asyncssh.Error):
            await connected.run("id", check=True)
        with pytest.raises(asyncssh.Error):
            await connected.open_connection("127.0.0.1", 80)


async def test_no_path_leaves_the_home(ingest: Any) -> None:
    access = await ingest.set_up()
    async with logged_in(access) as sftp, sftp.open("../../../../x.csv", "wb") as file:
        await file.write(b"x")
    [found] = ingest.settings.spool_dir.parent.rglob("x.csv*")
    assert "berlin" in found.parts


async def test_wrong_passwords_are_refused_and_block_the_address_for_ftp_too(start: Any, kit: Any) -> None:
    async with start(sftp_port=free_ports(1)[0], failed_logins_to_block=2) as ingest:
        access = await ingest.set_up()
        for user in (access.user, "nobody"):
            with pytest.raises(asyncssh.PermissionDenied):
                await connection(access, user=user, password="wrong")
        with pytest.raises((OSError, asyncssh.Error)):
            await connection(access)
        with pytest.raises(Exception, match="421 Too many failed logins"):
            await asyncio.to_thread(kit.logged_in, access)


@pytest.mark.parametrize("how", ["connection", "channel"])
async def test_a_cut_transfer_is_waited_for_and_can_be_resumed(ingest: Any, kit: Any, how: str) -> None:
    access = await ingest.set_up()
    files = kit.a_book(2).files()
    name = next(name for name in files if name.endswith("_kunden.csv"))
    content = files.pop(name)
    await ingest.push(files)
    with capture_logs() as logged:
        connected = await connection(access)
        sftp = await connected.start_sftp_client()
        file = await sftp.open(name, "wb")
        await file.write(content[:100])
        connected.abort() if how == "connection" else sftp.exit()

        async def noticed() -> bool:
            return any(entry["event"] == "upload.cut_off" for entry in logged)

        await kit.until(noticed)
    assert (await ingest.deliveries())[0].state is DeliveryState.RECEIVING
    async with logged_in(access) as sftp, sftp.open(name, "r+b") as file:
        assert (await sftp.stat(name)).size == 100
        await file.write(content[100:], 100)
    delivery = await ingest.ended(1)
    assert (delivery.state, delivery.counts[Table.KUNDE].new) == (DeliveryState.IMPORTED, 2)


async def test_a_transfer_above_the_limit_is_cut_and_told(start: Any, kit: Any) -> None:
    async with start(sftp_port=free_ports(1)[0], upload_file_bytes=100_000) as ingest:
        access = await ingest.set_up()
        async with logged_in(access) as sftp:
            with pytest.raises(asyncssh.SFTPFailure, match="larger than allowed"):
                async with sftp.open("kunden.csv", "wb") as file:
                    await file.write(bytes(1_000_000))
        [file] = ingest.spool.files(kit.tenant, None)
        assert file.unfinished


async def test_a_silent_connection_is_closed(start: Any) -> None:
    async with start(sftp_port=free_ports(1)[0], ftp_idle_seconds=1) as ingest:
        connected = await connection(await ingest.set_up())
        await asyncio.wait_for(connected.wait_closed(), 20)


async def test_the_host_key_stays_the_same_and_may_be_given(start: Any, tmp_path: Path) -> None:
    given = asyncssh.generate_private_key("ssh-ed25519")
    given.write_private_key(tmp_path / "key")
    keys = []
    for own in (None, None, tmp_path / "key"):
        port = free_ports(1)[0]
        async with start(sftp_port=port, sftp_host_key=own):
            key = await asyncssh.get_server_host_key("127.0.0.1", port)
            keys.append(key.get_fingerprint())
    assert keys[0] == keys[1] != keys[2] == given.get_fingerprint()
