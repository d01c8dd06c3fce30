"""The index template: which fields a document of the Aktivitätslog has, and of which type.

The mapping is strict: a field that is not named here is refused, so that the names stay what the README
promises. Fields are only ever added; a new name instead of a changed type.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

MAPPING_VERSION: Final = 1
"""Counts up with every change of PROPERTIES: a process of an older release leaves a newer template alone."""

KEYWORDS: Final = (
    "id", "type", "source", "tenant", "direction", "outcome", "actor_kind", "actor_id", "correlationid",
    "causationid", "module", "pipeline", "zoho_id", "delivery", "connection", "system", "table", "key",
    "action", "fields", "kundennummer", "vertragsnummer",
)  # fmt: skip

_KEYWORD: Final = {"type": "keyword", "ignore_above": 256}

PROPERTIES: Final[dict[str, dict[str, Any]]] = {
    **dict.fromkeys(KEYWORDS, _KEYWORD),
    "time": {"type": "date"},
    "duration_ms": {"type": "float"},
    "reason": {"type": "text", "analyzer": "german"},
    "epoch": {"type": "integer"},
    "number": {"type": "long"},
    "sequence": {"type": "long"},
    # Beside the flat arrays, for counts: in an event of 100 objects the flat ones forget which action
    # belongs to which key.
    "objects": {"type": "nested", "properties": dict.fromkeys(("table", "key", "action"), _KEYWORD)},
    # The event as it was told, to be given back; stored, not indexed.
    "event": {"type": "object", "enabled": False},
}


class Fill(StrEnum):
    """How much of EVENTS a store holds."""

    FILLING = "filling"
    WHOLE = "whole"
    NEWEST = "newest"


@dataclass(frozen=True, slots=True)
class Marker:
    """Says that a store is prepared. A store without one is new, or lost its memory.

    `store` is another one after each loss; it stands in the template's `_meta`, so template and marker
    come and go together.
    """

    store: str
    fill: Fill
    mapping_version: int = MAPPING_VERSION


def alias(prefix: str) -> str:
    """The name under which all months are searched."""
    return f"{prefix}-events"


def month_index(prefix: str, month: str) -> str:
    """The index of one month, `month` as YYYY.MM (UTC)."""
    return f"{alias(prefix)}-{month}"


def index_template(prefix: str, marker: Marker) -> dict[str, Any]:
    """The composable template of all monthly indices: OpenSearch makes each when its first event comes."""
    return {
        "index_patterns": [f"{alias(prefix)}-*"],
        "priority": 200,
        "version": marker.mapping_version,
        "_meta": {"store": marker.store, "fill": marker.fill.value},
        "template": {
            # 0-1: green on a single node, a copy where there are more.
            "settings": {"number_of_shards": 1, "auto_expand_replicas": "0-1", "refresh_interval": "1s"},
            "mappings": {"dynamic": "strict", "properties": PROPERTIES},
            "aliases": {alias(prefix): {}},
        },
    }
