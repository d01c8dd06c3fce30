"""What becomes of each object of a batch on its way to Zoho: objects, records and links in, verdicts out.

Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from contracts.events import ConflictFound, EventData, Excluded, ObjectAction, ObjectChange, WrittenToZoho
from contracts.ids import ZohoId
from contracts.rpc.ingest import ComposedObject
from contracts.rpc.sync_parked import ParkedCause
from sync.bases import bases_after
from sync.link_store import Link
from sync.mapping import CannotConvert, Conversion, read_ameise, read_zoho
from sync.merge import Merged, merge
from sync.pipelines import Pipeline, includes, with_derived_fields
from sync.recognising import having_read
from sync.retry import Park, Postpone
from sync.values import UNKNOWN, Value
from sync.work_store import Work
from sync.zoho_records import modified_time, read_back
from zoho.models import Record


@dataclass(frozen=True, slots=True)
class Item:
    """One row of work with the object that it is about."""

    work: Work
    object: ComposedObject


@dataclass(frozen=True, slots=True)
class Merging:
    """An item with its link, and what the merge of its two sides found."""

    item: Item
    link: Link
    merged: Merged
    ameise: Mapping[str, Value]
    zoho: Mapping[str, Value]

    @property
    def is_new(self) -> bool:
        """Whether its record is yet to be made."""
        return self.link.zoho_id is None


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of an item. `outcome` is stored as judged (None: it was judged before); `link` is stored
    if there is one; `look_at_zoho`: Zoho has a change that Ameise lacks."""

    item: Item
    outcome: str | None
    link: Link | None = None
    events: tuple[EventData, ...] = ()
    look_at_zoho: bool = False


@dataclass(frozen=True, slots=True)
class Unsettled:
    """Work that stays on the table: for later, or for a person."""

    work: Work
    decision: Postpone | Park


Verdict = Settled | Unsettled


def judge_before_writing(pipeline: Pipeline, item: Item, *, zoho_id: str | None) -> Verdict | None:
    """The verdict on objects that need no writing: gone ones, and those that the rule leaves out.

    `zoho_id`: the record that the object is linked to; what never had one is gone without a word.
    """
    if item.object.gone:
        if zoho_id is None:
            return Settled(item, "gone")
        told = Excluded(
            pipeline=pipeline.id,
            module=pipeline.module,
            zoho_id=ZohoId(zoho_id),
            object=change_of(pipeline, item, ObjectAction.GONE),
            reason="in Ameise nicht mehr vorhanden; der Zoho-Datensatz bleibt, wie er ist",
        )
        return Settled(item, "gone", events=(told,))
    match includes(pipeline.definition, item.object.fields):
        case None:
            return Unsettled(item.work, Park(ParkedCause.RULE_UNDECIDED))
        case False:
            return Settled(item, "excluded")
        case True:
            return None


def merge_item(
    pipeline: Pipeline, item: Item, link: Link, record: Record | None, conversion: Conversion
) -> Merging | Verdict:
    """The item ready to be written, or the verdict if there is nothing to write.

    `record` is the linked record as read now; None with a linked id means that it was deleted in Zoho.
    """
    if link.zoho_id is not None and record is None:
        told = Excluded(
            pipeline=pipeline.id,
            module=pipeline.module,
            zoho_id=ZohoId(link.zoho_id),
            object=change_of(pipeline, item, ObjectAction.UNCHANGED),
            reason="der Datensatz wurde in Zoho gelöscht; er wird nicht wieder angelegt",
        )
        return Settled(item, "gone_in_zoho", replace(link, gone_in_zoho=True), (told,))
    if record is not None:
        link = having_read(pipeline, link, record)
    late = link.written_after(item.object.as_of)
    ameise = _ameise_values(pipeline, item, late)
    zoho = _zoho_values(pipeline, record)
    try:
        merged = merge(
            pipeline.definition.fields,
            ameise=ameise,
            zoho=zoho,
            # What an earlier try sent counts once there is a record to compare it with.
            ameise_base=link.ameise_base if record is not None else None,
            zoho_base=link.zoho_base if record is not None else None,
            policy=pipeline.definition.policy,
            conversion=conversion,
        )
    except CannotConvert as error:
        return Unsettled(item.work, Park(ParkedCause.VALUE_UNFIT, {"problem": str(error)}))
    merging = Merging(item, link, merged, ameise, zoho)
    if merged.to_zoho or record is None:
        return merging
    settled = with_new_bases(pipeline, merging, zoho_read_back={})
    behind = bool(merged.to_ameise or late)
    return Settled(item, "applied", settled, conflicts_of(pipeline, merging), look_at_zoho=behind)


def with_new_bases(pipeline: Pipeline, merging: Merging, *, zoho_read_back: Mapping[str, Value]) -> Link:
    """The link with its bases moved to what was merged and read back."""
    ameise_base, zoho_base = bases_after(
        pipeline.definition.fields,
        merging.merged,
        ameise=merging.ameise,
        zoho=merging.zoho,
        ameise_read_back={},
        zoho_read_back=zoho_read_back,
    )
    return merging.link.with_bases(ameise=ameise_base, zoho=zoho_base)


def written(
    pipeline: Pipeline,
    merging: Merging,
    *,
    zoho_id: str,
    action: ObjectAction,
    unread: Mapping[str, Any] | None,
) -> Settled:
    """The verdict on an item that Zoho has taken: what we sent is the base until it is read (`unread`)."""
    item, merged = merging.item, merging.merged
    link = replace(as_sent(pipeline, merging), zoho_id=zoho_id, unread=unread)
    told = WrittenToZoho(
        pipeline=pipeline.id,
        module=pipeline.module,
        zoho_id=ZohoId(zoho_id),
        object=change_of(pipeline, item, action, sorted(merged.to_zoho)),
    )
    events = (*conflicts_of(pipeline, merging), told)
    behind = bool(merged.to_ameise or merging.link.written_after(item.object.as_of))
    return Settled(item, "applied", link, events, look_at_zoho=behind)


def as_sent(pipeline: Pipeline, merging: Merging) -> Link:
    """The link as it will be if Zoho takes what we are about to send as it is."""
    sent = read_back(pipeline, merging.merged, None, written_at=None)
    return with_new_bases(pipeline, merging, zoho_read_back=sent)


def conflicts_of(pipeline: Pipeline, merging: Merging) -> tuple[EventData, ...]:
    """The conflict event of an item, if both sides had changed a field."""
    if not merging.merged.conflicts:
        return ()
    told = ConflictFound(
        pipeline=pipeline.id,
        module=pipeline.module,
        zoho_id=ZohoId(merging.link.zoho_id) if merging.link.zoho_id else None,
        object=change_of(pipeline, merging.item, ObjectAction.UPDATED, merging.merged.conflicts),
        reason=f"beide Seiten geändert; es gilt {pipeline.definition.policy}",
    )
    return (told,)


def change_of(
    pipeline: Pipeline, item: Item, action: ObjectAction, fields: Sequence[str] = ()
) -> ObjectChange:
    """What happened to the item's object, for an event."""
    return ObjectChange(table=pipeline.table, key=item.object.key, action=action, fields=tuple(fields))


def newest_change(records: Mapping[str, Record]) -> datetime | None:
    """The youngest Modified_Time of what was read: Zoho's own clock, so no skew with ours."""
    return max((m for r in records.values() if (m := modified_time(r)) is not None), default=None)


def _ameise_values(pipeline: Pipeline, item: Item, late: set[str]) -> dict[str, Value]:
    """The object's values; a field that we wrote after the delivery's moment is unknown to it."""
    fields = with_derived_fields(pipeline.table, item.object.key, item.object.fields)
    return {
        m.ameise: UNKNOWN if m.ameise in late else read_ameise(m, fields) for m in pipeline.definition.fields
    }


def _zoho_values(pipeline: Pipeline, record: Record | None) -> dict[str, Value]:
    """The record's values; of a record that is yet to be made, all are empty."""
    if record is None:
        return {m.zoho: None for m in pipeline.definition.fields}
    return {m.zoho: read_zoho(m, record) for m in pipeline.definition.fields}
