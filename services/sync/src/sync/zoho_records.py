"""Zoho records as the merge sees them, and merged values as Zoho takes them. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sync.mapping import read, read_zoho, send_to_zoho
from sync.merge import Merged
from sync.pipelines import Pipeline
from sync.values import Value, canonical
from zoho.dates import parse_moment


def sent_to_zoho(pipeline: Pipeline, merged: Merged) -> dict[str, Any]:
    """The fields to write, as Zoho's API takes them; a mark is no mapped field and is text."""
    by_name = pipeline.definition.by_zoho
    return {
        name: send_to_zoho(by_name[name], value) if name in by_name else value
        for name, value in merged.to_zoho.items()
    }


def modified_time(record: Mapping[str, Any]) -> datetime | None:
    """When the record was changed last; None if it came without."""
    text = record.get("Modified_Time")
    return parse_moment(str(text)) if text else None


def is_made_by_send(own_write: Mapping[str, str] | None, record: Mapping[str, Any]) -> bool:
    """Whether a record that nobody heard of may be what we sent at that moment: one that was there before was
    made by somebody else, or by us before a restored backup. Created_Time has whole seconds."""
    created = record.get("Created_Time")
    if own_write is None or not created:
        return False
    return parse_moment(str(created)) >= datetime.fromisoformat(own_write["at"]).replace(microsecond=0)


def created_by(record: Mapping[str, Any]) -> str:
    """The id of the user who made the record; "" if it came without."""
    return str(canonical(record.get("Created_By")) or "")


def modified_by(record: Mapping[str, Any]) -> str:
    """The id of the user who changed the record last; "" if it came without."""
    return str(canonical(record.get("Modified_By")) or "")


def read_back(
    pipeline: Pipeline,
    merged: Merged,
    record: Mapping[str, Any] | None,
    *,
    written_at: datetime | None,
    author: str = "",
) -> dict[str, Value]:
    """The written fields as Zoho keeps them now.

    If somebody changed the record since our write, what we sent is the base: the difference is an edit then,
    and not Zoho's normalisation. Modified_Time tells it by whole seconds, so Modified_By must be us as well.
    """
    by_zoho = pipeline.definition.by_zoho
    by_name = {name: by_zoho[name] for name in merged.to_zoho if name in by_zoho}
    ours = record is not None and written_at is not None and modified_time(record) == written_at
    if record is not None and ours and modified_by(record) == author:
        return {name: read_zoho(mapping, record) for name, mapping in by_name.items()}
    return {name: read(mapping, merged.to_zoho[name]) for name, mapping in by_name.items()}
