"""What is wrong with links, seen from Zoho's records. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contracts.names import Difference, Table
from contracts.rpc.sync_parked import ParkedCause
from sync.comparison_store import KnownLink
from sync.dismissal import SEEN, seen
from sync.pipelines import Pipeline
from sync.retry import Park
from sync.values import canonical


@dataclass(frozen=True, slots=True)
class Doubt:
    """A record that a person must look at, and why."""

    kind: Difference
    parked: Park


def numbers_of(pipeline: Pipeline, records: Sequence[Mapping[str, Any]]) -> dict[str, str | None]:
    """Zoho id → our number in the record, None where it is empty."""
    unique = pipeline.definition.unique_field
    found = {str(record["id"]): canonical(record.get(unique)) for record in records}
    return {id_: str(number) if number is not None else None for id_, number in found.items()}


def doubts(
    pipeline: Pipeline,
    numbers: Mapping[str, str | None],
    *,
    by_id: Mapping[str, KnownLink],
    by_key: Mapping[str, KnownLink],
) -> dict[str, Doubt]:
    """Records whose number does not fit their link, or belongs to another record. By Zoho id.

    What somebody is at work on is left out: between an Erstanlage and the number in the record lies a moment.
    """
    found: dict[str, Doubt] = {}
    for zoho_id, number in numbers.items():
        link = by_id.get(zoho_id)
        if link is not None and link.in_hand:
            continue
        if link is not None and link.linked:
            if number != link.ameise_key:
                found[zoho_id] = Doubt(Difference.NUMBER_DIFFERS, _differs(pipeline, link, number))
            continue
        holder = by_key.get(number) if number else None
        if holder is None or holder.in_hand or holder.gone_in_zoho or not holder.linked:
            continue
        if holder.zoho_id != zoho_id:
            found[zoho_id] = Doubt(Difference.NUMBER_TWICE, _taken(pipeline, holder))
    return found


def _differs(pipeline: Pipeline, link: KnownLink, number: str | None) -> Park:
    # What stands there instead is not quoted: somebody may have typed anything.
    details = {
        "table": pipeline.table.value,
        "key": link.ameise_key or "",
        "field": pipeline.definition.unique_field,
        SEEN: seen(number),
    }
    return Park(ParkedCause.NUMBER_DIFFERS, details)


def _taken(pipeline: Pipeline, holder: KnownLink) -> Park:
    key, zoho_id = holder.ameise_key or "", holder.zoho_id or ""
    if pipeline.table is Table.KUNDE:  # as a webhook of the record would be parked
        return Park(ParkedCause.KUNDE_TAKEN, {"kunde": key, "zoho_id": zoho_id})
    details = {"table": pipeline.table.value, "key": key, "zoho_id": zoho_id}
    return Park(ParkedCause.NUMBER_TAKEN, details)
