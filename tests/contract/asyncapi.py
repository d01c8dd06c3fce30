"""The AsyncAPI documents in docs/asyncapi: `python tests/contract/asyncapi.py` writes them anew.

What a service receives is read from the broker of the running service; what it replies and tells, which no
broker registers, comes from the contracts. Addresses of servers are left out: each installation has its own.
"""

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from cryptography.fernet import Fernet
from faststream.specification import AsyncAPI
from pydantic import BaseModel, create_model

from chassis.process import Foundation
from contracts import subjects
from contracts.events import EVENT_TYPES, Event
from contracts.names import Service
from contracts.rpc import RpcReply
from contracts.rpc.catalog import ALL

if TYPE_CHECKING:
    from parts.databases import DatabaseUrls

FOLDER = Path(__file__).parents[2] / "docs" / "asyncapi"
VERSION = "1.0.0"


def document_file(service: Service) -> Path:
    """Where a service's document stands."""
    return FOLDER / f"{service}.json"


def as_text(document: dict[str, Any]) -> str:
    """A document as its file has it."""
    return json.dumps(document, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def document_of(service: Service, base: Foundation) -> dict[str, Any]:
    """The AsyncAPI 3.0 document of a running service."""
    made = AsyncAPI(base.broker.faststream, title=f"MVP-Connector: {service}", version=VERSION)
    document: dict[str, Any] = dict(made.to_specification().to_jsonable())
    document.pop("servers", None)
    for channel in document["channels"].values():
        channel.pop("servers", None)
    for rpc in ALL:
        if rpc.service is service:
            reply = create_model(
                f"{rpc.reply.__name__}Reply", __base__=RpcReply, body=(rpc.reply | None, None)
            )
            _add_channel(document, f"{rpc.subject}.reply", None, reply)
            operation = document["operations"][rpc.subject]
            operation["reply"] = {"channel": {"$ref": f"#/channels/{rpc.subject}.reply"}}
    for kind in EVENT_TYPES:
        if getattr(kind, "service", service) is service:
            name = f"event.{kind.event_name}"
            event = create_model(
                f"{kind.__name__}Event", __base__=Event, __doc__=kind.__doc__, data=(kind, ...)
            )
            _add_channel(document, name, f"event.{{tenant}}.{service}.{kind.event_name}", event)
            operation = {"action": "send", "channel": {"$ref": f"#/channels/{name}"}}
            document["operations"][name] = operation
    return document


def _add_channel(document: dict[str, Any], name: str, address: str | None, model: type[BaseModel]) -> None:
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    components = document.setdefault("components", {})
    components.setdefault("schemas", {}).update(schema.pop("$defs", {}))
    components["schemas"][model.__name__] = schema
    components.setdefault("messages", {})[name] = {
        "title": name,
        "payload": {"$ref": f"#/components/schemas/{model.__name__}"},
    }
    channel: dict[str, Any] = {
        "address": address,
        "messages": {"Message": {"$ref": f"#/components/messages/{name}"}},
    }
    if address is not None:
        channel["parameters"] = {"tenant": {"description": f"the tenant, or `{subjects.SYSTEM_TENANT}`"}}
    document["channels"][name] = channel


@asynccontextmanager
async def running(
    service: Service, urls: "DatabaseUrls", *, nats_url: str, folder: Path
) -> AsyncGenerator[Foundation]:
    """A service of the installation, in this process, with nothing outside it but NATS and its database."""
    values: dict[str, Any] = {
        "nats_url": nats_url,
        "database_url": urls.runtime,
        "database_all_tenants_url": urls.all_tenants,
        "secret_keys": Fernet.generate_key().decode(),
    }
    nowhere = "http://127.0.0.1:9"
    match service:
        case Service.AUDIT:
            from audit.app import running as run
            from audit.settings import Settings as Chosen

            values |= {"opensearch_url": nowhere}
        case Service.AUTH:
            from auth.app import running as run
            from auth.settings import AuthSettings as Chosen

            values |= {"redirect_url": f"{nowhere}/callback"}
        case Service.GATEWAY:
            from gateway.app import running as run
            from gateway.settings import Settings as Chosen

            values |= {"port": 0, "admin_password": "x" * 8, "session_secret": "x" * 16}
        case Service.INGEST:
            from ingest.app import running as run
            from ingest.settings import IngestSettings as Chosen

            values |= {"spool_dir": folder, "ftp_port": 0}
        case Service.SYNC:
            from sync.app import running as run
            from sync.settings import SyncSettings as Chosen
    async with run(Chosen(**values)) as base:  # type: ignore[arg-type]
        yield base


async def _write_all(folder: Path, *, nats_url: str, superuser_url: str) -> None:
    from parts.databases import Databases

    with Databases(superuser_url).of_one_test() as new_database:
        for service in Service:
            spool = folder / service
            async with running(service, new_database(service), nats_url=nats_url, folder=spool) as base:
                document_file(service).write_text(as_text(document_of(service, base)))
            sys.stdout.write(f"{document_file(service)}\n")


def main() -> None:
    """Start the parts and the services one by one, and write the documents."""
    from parts import servers

    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o711)  # PostgreSQL started by root runs as another user
        with servers.nats(folder) as nats_url, servers.postgres(folder) as superuser_url:
            asyncio.run(_write_all(folder, nats_url=nats_url, superuser_url=superuser_url))


if __name__ == "__main__":
    main()
