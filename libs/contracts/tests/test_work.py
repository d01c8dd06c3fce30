"""Work carries ids and versions, in limited numbers."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from contracts.ids import new_id
from contracts.work import CHUNK_SIZE, LookAtZohoRecord, ObjectsChanged

NOW = datetime(2025, 3, 1, 6, 0, tzinfo=UTC)


def chunk(objects: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    common = {"id": new_id(), "tenant": "berlin", "correlationid": new_id(), "time": NOW}
    return common | {"table": "kunde", "delivery": new_id(), "as_of": NOW, "objects": objects} | more


def changed(key: int, version: str = "0" * 32) -> dict[str, Any]:
    return {"key": str(key), "version": version}


def test_a_chunk_holds_one_to_a_hundred_objects() -> None:
    full = ObjectsChanged.model_validate(chunk([changed(i) for i in range(CHUNK_SIZE)]))
    assert ObjectsChanged.model_validate_json(full.model_dump_json()) == full
    for size in (0, CHUNK_SIZE + 1):
        with pytest.raises(ValidationError):
            ObjectsChanged.model_validate(chunk([changed(i) for i in range(size)]))


@pytest.mark.parametrize("version", ["", "0" * 31, "0" * 65, "G" * 32, "0" * 32 + "\n"])
def test_a_version_is_a_hash_in_lower_hex(version: str) -> None:
    with pytest.raises(ValidationError):
        ObjectsChanged.model_validate(chunk([changed(1, version)]))


def test_another_form_of_the_message_is_not_mistaken_for_this_one() -> None:
    with pytest.raises(ValidationError):
        ObjectsChanged.model_validate(chunk([changed(1)], v=2))


def test_a_field_of_a_newer_release_is_ignored() -> None:
    message = {"id": new_id(), "tenant": "berlin", "correlationid": new_id(), "time": NOW.isoformat()}
    message |= {"pipeline": "1", "zoho_id": "4711", "of_tomorrow": True}
    assert LookAtZohoRecord.model_validate(message).zoho_id == "4711"
