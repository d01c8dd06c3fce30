"""What the way of one Zoho record to Ameise is told as. Pure."""

from collections.abc import Iterable, Sequence
from typing import Any

from contracts.events import (
    Adopted,
    AlreadyEqual,
    ConflictFound,
    EventData,
    Excluded,
    NumbersWrittenBack,
    ObjectAction,
    ObjectChange,
    RecordDeleted,
    WrittenToAmeise,
    WrittenToZoho,
)
from contracts.ids import AmeiseKey, ZohoId
from sync.conflicts import reason_of
from sync.in_ameise import Found
from sync.merge import Merged
from sync.pipelines import Pipeline


def excluded(pipeline: Pipeline, zoho_id: str, reason: str) -> Excluded:
    """The record is left out."""
    return Excluded(pipeline=pipeline.id, module=pipeline.module, zoho_id=ZohoId(zoho_id), reason=reason)


def deleted_in_zoho(pipeline: Pipeline, zoho_id: str, key: str | None) -> RecordDeleted:
    """A linked record is not in Zoho any more."""
    change = (
        ObjectChange(table=pipeline.table, key=AmeiseKey(key), action=ObjectAction.UNCHANGED) if key else None
    )
    again = "er wird neu angelegt" if pipeline.definition.recreate else "er wird nicht wieder angelegt"
    return RecordDeleted(
        pipeline=pipeline.id, module=pipeline.module, zoho_id=ZohoId(zoho_id), object=change,
        reason=f"der Datensatz existiert in Zoho nicht mehr; {again}",
    )  # fmt: skip


def conflict(pipeline: Pipeline, zoho_id: str, merged: Merged, found: Found) -> ConflictFound:
    """Both sides changed a field."""
    changed = _change(pipeline, found, ObjectAction.UPDATED, merged.conflicts)
    return ConflictFound(**_about(pipeline, zoho_id), object=changed, reason=reason_of(merged))


def not_decided_for_zoho(
    pipeline: Pipeline, zoho_id: str, fields: Sequence[str], found: Found
) -> tuple[ConflictFound, ...]:
    """A person decided for Zoho, and Ameise does not show the fields."""
    if not fields:
        return ()
    unchanged = _change(pipeline, found, ObjectAction.UNCHANGED, fields)
    reason = f"es kann nicht Zoho gelten, da Ameise nicht zeigt, was es hat: {', '.join(sorted(fields))}"
    return (ConflictFound(**_about(pipeline, zoho_id), object=unchanged, reason=reason),)


def of_ameise(
    pipeline: Pipeline, zoho_id: str, merged: Merged, found: Found, *, newly: bool
) -> tuple[EventData, ...]:
    """What happened with the write to Ameise; `newly`: the record was not linked before."""
    about = _about(pipeline, zoho_id)
    events: list[EventData] = []
    if newly and found.adopted:
        events.append(Adopted(**about, object=_change(pipeline, found, ObjectAction.UNCHANGED)))
    created = newly and not found.adopted
    if created or merged.to_ameise:
        action = ObjectAction.CREATED if created else ObjectAction.UPDATED
        events.append(WrittenToAmeise(**about, object=_change(pipeline, found, action, merged.to_ameise)))
    return tuple(events)


def of_zoho(pipeline: Pipeline, zoho_id: str, merged: Merged, found: Found) -> tuple[EventData, ...]:
    """What happened with the write back to Zoho; the record learning its number is told as such."""
    if not merged.to_zoho:
        return ()
    kind = NumbersWrittenBack if pipeline.definition.unique_field in merged.to_zoho else WrittenToZoho
    changed = _change(pipeline, found, ObjectAction.UPDATED, merged.to_zoho)
    return (kind(**_about(pipeline, zoho_id), object=changed),)


def already_equal(pipeline: Pipeline, zoho_id: str, found: Found) -> AlreadyEqual:
    """Looked at, and nothing to do."""
    return AlreadyEqual(**_about(pipeline, zoho_id), object=_change(pipeline, found, ObjectAction.UNCHANGED))


def _about(pipeline: Pipeline, zoho_id: str) -> dict[str, Any]:
    return {"pipeline": pipeline.id, "module": pipeline.module, "zoho_id": ZohoId(zoho_id)}


def _change(
    pipeline: Pipeline, found: Found, action: ObjectAction, fields: Iterable[str] = ()
) -> ObjectChange:
    key = AmeiseKey(found.key)
    return ObjectChange(table=pipeline.table, key=key, action=action, fields=tuple(sorted(fields)))
