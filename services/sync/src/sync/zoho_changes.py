"""Which of Zoho's records need a look, judged by a listing alone. Pure."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, cast

from contracts.names import Difference
from sync.comparison_store import KnownLink, OnTable
from sync.keyed_hash import keyed_hash
from sync.mapping import FieldMapping, Way, read_zoho
from sync.pipelines import Definition, Pipeline, includes_record
from sync.values import UNKNOWN, Known, Value, canonical
from sync.zoho_records import modified_time


def why_look(definition: Definition, record: Mapping[str, Any], link: KnownLink | None) -> Difference | None:
    """Why work should look at the record; None for what is as we know it, our own writes above all.

    CHANGED: a field that travels to Ameise is not what was read here last. NEW: nobody told us of the record.
    What the pipeline's rule leaves out needs no look.
    """
    if includes_record(definition, record) is False:
        return None
    if link is None or not link.linked:
        return Difference.NEW
    if link.gone_in_zoho or link.zoho_base is None:
        return Difference.CHANGED
    return Difference.CHANGED if holds_news(definition, record, link.zoho_base) else None


def holds_news(definition: Definition, record: Mapping[str, Any], base: Mapping[str, Known]) -> bool:
    """Whether a field that travels to Ameise is not what was read here last."""
    return next(news_of(definition, record, base), None) is not None


def news_of(
    definition: Definition, record: Mapping[str, Any], base: Mapping[str, Known]
) -> Iterator[tuple[FieldMapping, Known]]:
    """The fields that travel to Ameise and are not what was read here last, with their values."""
    for mapping in definition.fields:
        value = read_zoho(mapping, record)
        if mapping.way is Way.TO_ZOHO or value is UNKNOWN:
            continue
        # As the merge sees it: without a base, any value but empty is a change.
        if value != base.get(mapping.zoho):
            yield mapping, value


def as_seen(pipeline: Pipeline, record: Mapping[str, Any]) -> str:
    """What the record holds of all that decides something, as a hash."""
    definition = pipeline.definition
    names = [name for name in definition.zoho_fields if name not in _WHEN_AND_WHO]
    values = [(name, _id_or_value(record.get(name))) for name in sorted(names)]
    return keyed_hash(repr(values), tenant=pipeline.tenant)


def _id_or_value(value: Any) -> Value:
    """Of a lookup its id: Zoho's listing and its queries do not show the same beside it."""
    return canonical(cast("dict[str, Any]", value).get("id") if isinstance(value, dict) else value)


_WHEN_AND_WHO = frozenset({"Modified_Time", "Modified_By", "Created_Time"})


def is_asked(
    pipeline: Pipeline, row: OnTable | None, record: Mapping[str, Any], *, last_look: datetime
) -> bool:
    """Whether work on the record is asked for, given the row of work that is there.

    What waits will read the record afresh; what is in hand may have read it before it changed. What is parked
    is tried again only if the record holds something else than it did then.
    """
    if row is None or row.in_hand:
        return True
    if not row.parked:
        return False
    if row.seen is not None:
        return row.seen != as_seen(pipeline, record)
    changed = modified_time(record)
    return changed is None or changed >= last_look
