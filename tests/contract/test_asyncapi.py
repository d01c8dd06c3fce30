"""docs/asyncapi says what the services receive, reply and tell today, and the same on every machine."""

import json
from pathlib import Path

import pytest

from contract.asyncapi import as_text, document_file, document_of, running
from contracts.names import Service
from contracts.rpc.catalog import ALL
from contracts.streams import CONSUMERS
from parts.databases import NewDatabase


@pytest.mark.parametrize("service", list(Service))
async def test_the_document_is_what_the_running_service_says(
    service: Service, nats_url: str, new_database: NewDatabase, tmp_path: Path
) -> None:
    async with running(service, new_database(service), nats_url=nats_url, folder=tmp_path / "spool") as base:
        document = document_of(service, base)
    assert document_file(service).exists(), "run `python tests/contract/asyncapi.py`"
    assert document_file(service).read_text() == as_text(document), "run `python tests/contract/asyncapi.py`"


@pytest.mark.parametrize("service", list(Service))
def test_a_service_receives_all_its_rpcs_and_consumers_and_names_no_server(service: Service) -> None:
    document = json.loads(document_file(service).read_text())
    received = {name for name, what in document["operations"].items() if what["action"] == "receive"}
    rpcs = {rpc.subject for rpc in ALL if rpc.service is service}
    streams = {f"{c.stream.name}:{c.durable}" for c in CONSUMERS if c.service is service}
    assert received == rpcs | streams
    assert "servers" not in document
    assert "127.0.0.1" not in document_file(service).read_text()


@pytest.mark.parametrize("service", list(Service))
def test_every_reference_leads_somewhere(service: Service) -> None:
    document = json.loads(document_file(service).read_text())

    def references(part: object) -> list[str]:
        if isinstance(part, dict):
            own = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
            return own + [found for inner in part.values() for found in references(inner)]
        return [found for inner in part for found in references(inner)] if isinstance(part, list) else []

    for reference in references(document):
        part = document
        for step in reference.removeprefix("#/").split("/"):
            assert step in part, reference
            part = part[step]
