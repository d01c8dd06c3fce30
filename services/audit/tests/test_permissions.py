"""Audit lives with the NATS permissions that `contracts.permissions` gives it, filling a store included."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nats
import pytest

from chassis.rpc import RpcClient
from contracts import permissions
from contracts.actor import Actor, ActorKind, Role
from contracts.events import SignedIn
from contracts.names import Service
from contracts.problems import Unavailable
from contracts.rpc.audit import SEARCH, SearchLog
from contracts.subjects import inbox_prefix
from mvp_connector import parts
from mvp_connector.ports import free_ports


@pytest.fixture
def guarded_nats_url(tmp_path: Path) -> Iterator[str]:
    """A NATS server with one user per service, each with its name as password."""
    port, monitor_port = free_ports(2)
    folder = tmp_path / "guarded"
    parts.write_nats_config(
        folder, port=port, monitor_port=monitor_port, permissions=permissions.configuration()
    )
    passwords = {f"NATS_PASSWORD_{service.upper()}": service.value for service in Service}
    server = parts.nats_server(folder, monitor_port=monitor_port, passwords=passwords)
    with parts.running(server, log=tmp_path / "guarded.log"):
        yield f"nats://127.0.0.1:{port}"


async def test_its_permissions_are_enough(
    guarded_nats_url: str, audit_with: Any, event_of: Any, forget_everything: Any, eventually: Any
) -> None:
    event = event_of(SignedIn())
    as_audit = {"nats_url": guarded_nats_url, "nats_user": "audit", "nats_password": "audit"}
    async with audit_with(embedded=True, **as_audit):
        gateway = await nats.connect(
            guarded_nats_url, user="gateway", password="gateway", inbox_prefix=inbox_prefix(Service.GATEWAY)
        )
        await gateway.jetstream().publish(event.subject_, event.model_dump_json().encode())
        user = Actor(kind=ActorKind.USER, id="u1", tenant=event.tenant, role=Role.USER)

        async def is_found() -> bool:
            page = await RpcClient(gateway).call(SEARCH, SearchLog(), actor=user)
            return page.events == (event,)

        await eventually(is_found)
        await forget_everything()

        async def is_found_again() -> bool:
            try:
                return await is_found()
            except Unavailable:
                return False

        await eventually(is_found_again)
        await gateway.close()
