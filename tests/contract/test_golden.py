"""What was ever published is read by today's models, and every message of today has a golden example."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from contract.examples import every_message, on_the_wire
from contract.golden import FOLDER, golden_file
from contracts.events import Event
from contracts.rpc import RpcCall, RpcReply
from contracts.rpc.catalog import ALL
from contracts.work import LookAtZohoRecord, ObjectsChanged

WORK = {"work.to_ameise": LookAtZohoRecord, "work.to_zoho": ObjectsChanged}
REQUESTS = {f"{rpc.subject}.request": rpc for rpc in ALL}
REPLIES = {f"{rpc.subject}.reply": rpc for rpc in ALL}
GOLDEN = sorted(FOLDER.glob("*.json"))


def read(name: str, message: dict[str, Any]) -> tuple[BaseModel, Any]:
    """What today's code makes of a message, and the part of the message that it was made of."""
    if name.startswith("event."):
        event = Event.model_validate(message)
        data = event.typed()
        assert data is not None, f"{event.type} is no longer in EVENT_TYPES"
        return data, message["data"]
    if model := WORK.get(name):
        return model.model_validate(message), message
    if name in REQUESTS:
        return REQUESTS[name].request.model_validate(RpcCall.model_validate(message).body), message["body"]
    reply = RpcReply.model_validate(message)
    if name == "problem":
        return reply, message
    return REPLIES[name].reply.model_validate(reply.body), message["body"]


@pytest.mark.parametrize("file", GOLDEN, ids=lambda file: file.stem)
def test_a_published_message_stays_readable_and_nothing_in_it_is_lost(file: Path) -> None:
    today, then = read(file.stem, json.loads(file.read_text()))
    assert contains(on_the_wire(today), then)


def contains(today: object, then: object) -> bool:
    """Whether everything said `then` is said today: fields may have been added, none removed or renamed."""
    if isinstance(then, dict) and isinstance(today, dict):
        return all(key in today and contains(today[key], value) for key, value in then.items())
    if isinstance(then, list) and isinstance(today, list):
        return len(then) == len(today) and all(map(contains, today, then))
    return today == then


def test_every_message_of_today_has_a_golden_example() -> None:
    missing = [name for name, _ in every_message() if not golden_file(name).exists()]
    assert not missing, "run `python tests/contract/golden.py`"
