"""What becomes of each object of a batch on its way to Zoho: objects, records and links in, verdicts out.

Pure.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from contracts.events import ConflictFound, EventData, Excluded, ObjectAction, ObjectChange, WrittenRecord
from contracts.ids import ZohoId
from contracts.rpc.ingest import ComposedObject
from contracts.rpc.sync_parked import ParkedCause
from sync.bases import bases_after
from sync.conflicts import decided_after, decisions_of, questions_after, reason_of
from sync.fitting import merge_fitting
from sync.link_store import Link
from sync.mapping import CannotConvert, Conversion
from sync.merge import Finding, Merged
from sync.pipelines import Pipeline, includes, includes_record
from sync.recognising import having_read
from sync.record_events import deleted_in_zoho
from sync.retry import Park, Postpone
from sync.sides import ameise_values, zoho_values
from sync.values import Value, canonical
from sync.work_store import Work
from sync.zoho_records import is_made_by_send, modified_time, read_back
from zoho.models import Record


@dataclass(frozen=True, slots=True)
class Item:
    """One row of work with the object that it is about."""

    work: Work
    object: ComposedObject


@dataclass(frozen=True, slots=True)
class Merging:
    """An item with its link, and what the merge of its two sides found; `changed`: when its record was
    changed last; `late`: Ameise's names of the fields of which the delivery may show an older value than
    Ameise has; `left_out`: the rule lets nothing of the record travel to Ameise."""

    item: Item
    link: Link
    merged: Merged
    ameise: Mapping[str, Value]
    zoho: Mapping[str, Value]
    changed: datetime | None = None
    late: Set[str] = frozenset()
    left_out: bool = False

    @property
    def lags(self) -> bool:
        """Whether the delivery is behind one of both sides. What may not travel to Ameise is no lag."""
        return bool(self.late or (self.merged.to_ameise and not self.left_out))

    @property
    def look_at_zoho(self) -> bool:
        """Whether the record is looked at therefore; in one that is left out there is nothing to find."""
        return self.lags and not self.left_out

    @property
    def is_new(self) -> bool:
        """Whether its record is yet to be made."""
        return self.link.zoho_id is None

    @property
    def outcome(self) -> str:
        """As what it is judged once it is written."""
        return "gone" if self.item.object.gone else "applied"


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of an item. `outcome` says as what it is judged (None: it was judged before); `link` is
    stored if there is one; `wrote`: what Zoho took; `lags`: the delivery is behind one of both sides;
    `look_at_zoho`: the record is looked at therefore; `held_back`: how many values do not fit Zoho;
    `without_record`: it is gone, and no record was linked to it."""

    item: Item
    outcome: str | None
    link: Link | None = None
    events: tuple[EventData, ...] = ()
    wrote: WrittenRecord | None = None
    lags: bool = False
    look_at_zoho: bool = False
    held_back: int = 0
    without_record: bool = False

    @property
    def judged_as(self) -> str | None:
        """What is stored as its outcome. Where the delivery lags, the judgement is void: a later one is
        fetched and merged again; as it is once what was held back fits."""
        if self.outcome is None or self.lags:
            return self.outcome and "void"
        return "held_back" if self.held_back else self.outcome


@dataclass(frozen=True, slots=True)
class Unsettled:
    """Work that stays on the table: for later, or for a person."""

    work: Work
    decision: Postpone | Park


Verdict = Settled | Unsettled


def judge_before_writing(pipeline: Pipeline, item: Item, *, zoho_id: str | None) -> Verdict | None:
    """The verdict on objects that need no writing: gone ones, unless they are marked, and those that the
    rule leaves out.

    `zoho_id`: the record that the object is linked to; what never had one is gone without a word.
    """
    if item.object.gone:
        if zoho_id is None:
            return Settled(item, "gone", without_record=True)
        if pipeline.definition.vanished is not None:
            return None
        told = Excluded(
            pipeline=pipeline.id,
            module=pipeline.module,
            zoho_id=ZohoId(zoho_id),
            object=change_of(pipeline, item, ObjectAction.GONE),
            reason=f"in Ameise nicht mehr vorhanden; der Zoho-Datensatz {_what_becomes_of_it(pipeline)}",
        )
        return Settled(item, "gone", events=(told,))
    match includes(pipeline.definition, item.object.fields):
        case None:
            return Unsettled(item.work, Park(ParkedCause.RULE_UNDECIDED))
        case False:
            return Settled(item, "excluded")
        case True:
            return None


def _what_becomes_of_it(pipeline: Pipeline) -> str:
    deletion = pipeline.definition.deletion
    if deletion is None:
        return "bleibt, wie er ist"
    return f"wird nach {deletion.after_days} Tagen gelöscht, wenn ihn bis dahin niemand bearbeitet"


def merge_both(
    pipeline: Pipeline, item: Item, link: Link, record: Record | None, conversion: Conversion
) -> Merging | Verdict:
    """The item merged with its record, or the verdict if there is nothing to merge.

    `record` is the linked record as read now; None with a linked id means that it was deleted in Zoho. What
    we deleted ourselves, since its object was gone, is made again if the object is back.
    """
    recreate = pipeline.definition.recreate or link.deleted_by_us
    if link.zoho_id is not None and record is None and recreate and not item.object.gone:
        # As if it had never been there: all of the object goes into a new record.
        link = replace(
            link, zoho_id=None, ameise_base=None, zoho_base=None, unread=None, asked={}, gone_in_zoho=False
        )
    if link.zoho_id is not None and record is None:
        told = Excluded(
            pipeline=pipeline.id,
            module=pipeline.module,
            zoho_id=ZohoId(link.zoho_id),
            object=change_of(pipeline, item, ObjectAction.UNCHANGED),
            reason="der Datensatz wurde in Zoho gelöscht; er wird nicht wieder angelegt",
        )
        new = deleted_in_zoho(pipeline, link.zoho_id, item.object.key)
        events = (told,) if link.gone_in_zoho else (new,)
        return Settled(item, "gone_in_zoho", replace(link, gone_in_zoho=True), events)
    zoho = zoho_values(pipeline.definition, record)
    if record is not None:
        link = having_read(link, record, zoho)
    late = _only_ameise_knows(pipeline, link, item)
    if item.object.gone:
        return _marked_as_gone(pipeline, item, link, record or {}, late=late)
    ameise = ameise_values(pipeline.definition, item.object.key, item.object.fields, late=late)
    # What an earlier try sent counts once there is the record that it made.
    has_bases = record is not None and (link.linked or is_made_by_send(link.own_write, record))
    try:
        merged = merge_fitting(
            pipeline,
            ameise=ameise,
            zoho=zoho,
            ameise_base=link.ameise_base if has_bases else None,
            zoho_base=link.zoho_base if has_bases else None,
            conversion=conversion,
            asked=decisions_of(link.asked),
            new_record=record is None,
        )
    except CannotConvert as error:
        return Unsettled(item.work, Park(ParkedCause.VALUE_UNFIT, {"problem": str(error)}))
    merged = _with_living_mark(pipeline, merged, record or {})
    left_out = False
    if record is not None and (merged.to_ameise or late):
        as_written = {**record, **merged.to_zoho}  # which may bring it into the rule
        left_out = includes_record(pipeline.definition, as_written) is False
    return Merging(item, link, merged, ameise, zoho, modified_time(record or {}), late, left_out)


def _only_ameise_knows(pipeline: Pipeline, link: Link, item: Item) -> set[str]:
    """The Ameise fields of which this delivery may show an older value: those that we wrote or saw new since,
    and those that a person decided over younger values; nothing is written to them from here."""
    as_of = item.object.as_of
    decided = decided_after(pipeline.definition.fields, link.asked, as_of) if link.asked else set[str]()
    return link.written_after(as_of) | decided


def merge_item(
    pipeline: Pipeline, item: Item, link: Link, record: Record | None, conversion: Conversion
) -> Merging | Verdict:
    """As `merge_both`; what needs no writing to Zoho has its verdict."""
    merging = merge_both(pipeline, item, link, record, conversion)
    if not isinstance(merging, Merging) or merging.merged.to_zoho or merging.is_new:
        return merging
    settled = with_new_bases(pipeline, merging, zoho_read_back={})
    return Settled(
        item, "applied", settled, conflicts_of(pipeline, merging), held_back=len(merging.merged.held_back),
        lags=merging.lags, look_at_zoho=merging.look_at_zoho,
    )  # fmt: skip


def with_new_bases(
    pipeline: Pipeline, merging: Merging, *, zoho_read_back: Mapping[str, Value], **more: Any
) -> Link:
    """The link with its bases moved to what was merged and read back; `more` of it is set."""
    ameise_base, zoho_base = bases_after(
        pipeline.definition.fields,
        merging.merged,
        ameise=merging.ameise,
        zoho=merging.zoho,
        ameise_read_back={},
        zoho_read_back=zoho_read_back,
    )
    questions = questions_after(
        pipeline.definition.fields,
        merging.merged,
        merging.link.asked,
        ameise=merging.ameise,
        zoho=merging.zoho,
        settled=ameise_base,
        now=datetime.now(UTC),
    )
    return merging.link.with_bases(ameise=ameise_base, zoho=zoho_base, asked=questions, **more)


def _marked_as_gone(
    pipeline: Pipeline, item: Item, link: Link, record: Mapping[str, Any], *, late: Set[str]
) -> Merging | Verdict:
    """The mark that the object is gone, unless the record has it. No mapped field is touched."""
    mark = pipeline.definition.vanished
    if mark is None or canonical(record.get(mark.field)) == mark.gone:
        return Settled(item, "gone")
    untouched = {m.ameise: Finding.UNKNOWN for m in pipeline.definition.fields}
    return Merging(item, link, Merged({mark.field: mark.gone}, {}, untouched), {}, {}, late=late)


def _with_living_mark(pipeline: Pipeline, merged: Merged, record: Mapping[str, Any]) -> Merged:
    """With the mark taken back, if the object was gone and is there again."""
    mark = pipeline.definition.vanished
    if mark is None or canonical(record.get(mark.field)) != mark.gone:
        return merged
    return replace(merged, to_zoho={**merged.to_zoho, mark.field: mark.living})


def written(
    pipeline: Pipeline,
    merging: Merging,
    *,
    zoho_id: str,
    action: ObjectAction,
    unread: Mapping[str, Any] | None,
) -> Settled:
    """The verdict on an item that Zoho has taken: what we sent is the base until it is read (`unread`).

    Its conflicts were told before it was written.
    """
    item, merged = merging.item, merging.merged
    link = as_sent(pipeline, merging, zoho_id=zoho_id, unread=unread)
    wrote = WrittenRecord(
        table=pipeline.table,
        key=item.object.key,
        action=action,
        fields=tuple(sorted(merged.to_zoho)),
        zoho_id=ZohoId(zoho_id),
    )
    return Settled(
        item, merging.outcome, link, wrote=wrote, held_back=len(merged.held_back), lags=merging.lags,
        look_at_zoho=merging.look_at_zoho,
    )  # fmt: skip


def as_sent(pipeline: Pipeline, merging: Merging, **more: Any) -> Link:
    """The link as it will be if Zoho takes what we are about to send as it is; `more` of it is set."""
    sent = read_back(pipeline, merging.merged, None, written_at=None)
    return with_new_bases(pipeline, merging, zoho_read_back=sent, **more)


def conflicts_of(pipeline: Pipeline, merging: Merging) -> tuple[EventData, ...]:
    """The conflict event of an item, if both sides had changed a field."""
    conflicts = merging.merged.conflicts
    if not conflicts:
        return ()
    told = ConflictFound(
        pipeline=pipeline.id,
        module=pipeline.module,
        zoho_id=ZohoId(merging.link.zoho_id) if merging.link.zoho_id else None,
        object=change_of(pipeline, merging.item, ObjectAction.UPDATED, conflicts),
        reason=reason_of(merging.merged),
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
