"""From a request for the Aktivitätslog to the body of a search. Pure.

Every query begins with the tenant: what belongs to another one, or to none (`_system`), is never found.
"""

import base64
import binascii
import json
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from audit.event_index import COUNTED_HITS
from contracts.ids import TenantId, Uuid
from contracts.names import Table
from contracts.problems import Invalid
from contracts.rpc.audit import CountField, LogFilter

OneTenant = TenantId | Literal["_system"]
MOST_COUNTS = 200
"""Different values of one field in a count; every field that can be counted has fewer."""

_PAGE_END: TypeAdapter[tuple[int, Uuid]] = TypeAdapter(tuple[int, Uuid])

_NEWEST_FIRST = [{"time": {"order": "desc"}}, {"id": {"order": "desc"}}]
"""The id (UUIDv7) orders the events of one millisecond, and makes the order total."""


def page(tenant: OneTenant, filter_: LogFilter, *, size: int, after: str | None) -> dict[str, Any]:
    """Up to `size` events, newest first, that come behind the page end `after`. Raises Invalid."""
    body = {
        "size": size,
        "track_total_hits": COUNTED_HITS,
        "_source": ["event"],
        "query": _query(tenant, filter_),
        "sort": _NEWEST_FIRST,
    }
    return body if after is None else {**body, "search_after": _opened(after)}


def page_end(sort: list[Any]) -> str:
    """The opaque name of the place behind a hit, whose sort values are (time in ms, id)."""
    return base64.urlsafe_b64encode(json.dumps(sort, separators=(",", ":")).encode()).decode()


def _opened(after: str) -> list[Any]:
    try:
        raw = base64.b64decode(after, altchars=b"-_", validate=True)
        return list(_PAGE_END.validate_json(raw, strict=False))
    except (binascii.Error, ValueError, ValidationError) as error:
        raise Invalid(
            "`after` is no end of a page", remedy="pass the `next_page` of the page before"
        ) from error


def counts(tenant: TenantId, filter_: LogFilter, by: CountField) -> dict[str, Any]:
    """Events by a field; by `action`: the objects that the filter means, not the events around them."""
    body = {"size": 0, "track_total_hits": False, "query": _query(tenant, filter_)}
    if by != "action":
        return {**body, "aggs": {"by": {"terms": {"field": by, "size": MOST_COUNTS}}}}
    meant: list[dict[str, Any]] = []
    if filter_.table is not None:
        meant.append({"term": {"objects.table": filter_.table.value}})
    if filter_.key is not None:
        meant.append(_object_of(filter_.key))
    by_action = {"by": {"terms": {"field": "objects.action", "size": MOST_COUNTS}}}
    in_filter = {"meant": {"filter": {"bool": {"filter": meant}}, "aggs": by_action}}
    return {**body, "aggs": {"objects": {"nested": {"path": "objects"}, "aggs": in_filter}}}


def counted(answer: dict[str, Any], by: CountField) -> dict[str, int]:
    """The counts in the answer to `counts`."""
    found = answer["aggregations"]
    if by == "action":
        found = found["objects"]["meant"]
    return {bucket["key"]: bucket["doc_count"] for bucket in found["by"]["buckets"]}


def _query(tenant: OneTenant, filter_: LogFilter) -> dict[str, Any]:
    must: list[dict[str, Any]] = [{"term": {"tenant": str(tenant)}}]
    period = {"gte": filter_.since, "lt": filter_.until}
    if limits := {name: time.isoformat() for name, time in period.items() if time is not None}:
        must.append({"range": {"time": limits}})
    any_of = {"source": filter_.services, "type": filter_.types, "outcome": filter_.outcomes}
    must += [{"terms": {field: [str(v) for v in values]}} for field, values in any_of.items() if values]
    exactly = {
        "direction": filter_.direction,
        "zoho_id": filter_.zoho_id,
        "pipeline": filter_.pipeline,
        "delivery": filter_.delivery,
        "correlationid": filter_.correlationid,
    }
    must += [{"term": {field: str(value)}} for field, value in exactly.items() if value is not None]
    return {"bool": {"filter": must + _about_object(filter_.table, filter_.key)}}


def _about_object(table: Table | None, key: str | None) -> list[dict[str, Any]]:
    """Table and key must be one object's: two flat terms would also find `kunde 1` beside `vertrag 2`."""
    if table is not None and key is not None:
        both = [{"term": {"objects.table": table.value}}, _object_of(key)]
        return [{"nested": {"path": "objects", "query": {"bool": {"filter": both}}}}]
    if table is not None:
        return [{"term": {"table": table.value}}]
    if key is not None:
        return [{"bool": {"should": [{"term": {"key": key}}, {"term": {"kundennummer": key}}]}}]
    return []


def _object_of(key: str) -> dict[str, Any]:
    """An object by its key, and a Kunde's Kundendetails (`kunde_id:feld_id`) by the Kundennummer."""
    return {"bool": {"should": [{"term": {"objects.key": key}}, {"prefix": {"objects.key": f"{key}:"}}]}}
