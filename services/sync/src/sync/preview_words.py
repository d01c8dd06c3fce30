"""A decision of the work, told as a preview. Pure."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import assert_never
from zoneinfo import ZoneInfo

from contracts.events import Excluded
from contracts.ids import ZohoId
from contracts.names import Table
from contracts.rpc.sync_preview import FieldPreview, Finding, Foreseen, ObjectPreview
from contracts.rpc.sync_state import SeenValue
from sync.batch import Merging, Settled, Unsettled, Verdict
from sync.link_store import Link
from sync.mapping import FieldMapping
from sync.merge import Merged
from sync.pipelines import Pipeline
from sync.retry import Park
from sync.values import UNKNOWN, Fields, Known, Value
from sync.waiting_store import Plan

NOTHING: Mapping[str, Known] = MappingProxyType({})
_OUTCOMES = {
    "gone": (Foreseen.GONE, "in Ameise entfallen"),
    "excluded": (Foreseen.EXCLUDED, "die Auswahlregel nimmt das Objekt aus"),
    "gone_in_zoho": (Foreseen.GONE_IN_ZOHO, None),
}


def foreseen(
    link: Link,
    what: Foreseen,
    reason: str | None = None,
    *,
    fields: Iterable[FieldPreview] = (),
    besides: Mapping[str, Known] = NOTHING,
) -> ObjectPreview:
    """What would become of a link's object or record."""
    return ObjectPreview(
        key=link.ameise_key,
        zoho_id=_id(link),
        foreseen=what,
        reason=reason,
        fields=tuple(fields),
        besides=dict(besides),
    )


def of_verdict(pipeline: Pipeline, found: Merging | Verdict, *, links: Mapping[str, Link]) -> ObjectPreview:
    """What would become of an object of a delivery; `links` by key, of those that have one."""
    match found:
        case Merging():
            if found.item.object.gone:
                marked, words = _besides(pipeline, found.merged), "in Ameise entfallen; es wird markiert"
                return foreseen(found.link, Foreseen.GONE, words, besides=marked)
            return of_merged(pipeline, found.link, found.merged, found.ameise, found.zoho)
        case Settled():
            key = found.item.object.key
            what, usual = _OUTCOMES[found.outcome or "gone"]
            told = next((event.reason for event in found.events if isinstance(event, Excluded)), usual)
            link = links.get(key)
            return ObjectPreview(key=key, zoho_id=_id(link) if link else None, foreseen=what, reason=told)
        case Unsettled():
            key = found.work.object
            what = Foreseen.PARKED if isinstance(found.decision, Park) else Foreseen.WAITS
            link = links.get(key)
            return ObjectPreview(
                key=key, zoho_id=_id(link) if link else None, foreseen=what, reason=found.decision.reason
            )
        case _:
            assert_never(found)


def with_deletions(shown: Iterable[ObjectPreview], plans: Mapping[str, Plan]) -> list[ObjectPreview]:
    """Of objects that are gone in Ameise, also when their records are deleted; `plans` by key."""
    return [
        one.model_copy(update={"reason": f"{one.reason}; {_planned(plan)}"})
        if one.foreseen is Foreseen.GONE and (plan := plans.get(one.key or "")) is not None
        else one
        for one in shown
    ]


def _planned(plan: Plan) -> str:
    if plan.due_at is None:
        return "jemand hat ihn behalten"
    return f"vorgemerkt für den {plan.due_at.astimezone(ZoneInfo('Europe/Berlin')):%d.%m.%Y}"


def of_merged(pipeline: Pipeline, link: Link, merged: Merged, ameise: Fields, zoho: Fields) -> ObjectPreview:
    """Both sides merged, field by field."""
    besides = _besides(pipeline, merged)
    if link.zoho_id is None:
        what = Foreseen.CREATE_RECORD
        if pipeline.definition.unique_field not in merged.to_zoho:
            besides[pipeline.definition.unique_field] = link.ameise_key
    else:
        what = Foreseen.UPDATE if merged.to_zoho or merged.to_ameise else Foreseen.UNCHANGED
    fields = (_field(m, merged, ameise, zoho) for m in pipeline.definition.fields)
    return foreseen(link, what, fields=fields, besides=besides)


def of_new_object(pipeline: Pipeline, link: Link, wanted: Mapping[str, Known], zoho: Fields) -> ObjectPreview:
    """A creation in Ameise. What it will be given there (its number above all) is unknown yet."""
    filled = {name: value for name, value in wanted.items() if value is not None}
    mapped = {m.ameise for m in pipeline.definition.fields}
    findings = dict.fromkeys(filled, Finding.ZOHO_CHANGED)
    fields = (
        _field(m, Merged({}, filled, findings), dict.fromkeys(wanted), zoho)
        for m in pipeline.definition.fields
    )
    besides = {name: value for name, value in filled.items() if name not in mapped}
    made = Foreseen.CREATE_VERTRAG if pipeline.table is Table.VERTRAG else Foreseen.CREATE_KUNDE
    return foreseen(link, made, fields=fields, besides=besides)


def _field(mapping: FieldMapping, merged: Merged, ameise: Fields, zoho: Fields) -> FieldPreview:
    return FieldPreview(
        ameise=mapping.ameise,
        zoho=mapping.zoho,
        finding=merged.findings.get(mapping.ameise, Finding.UNKNOWN),
        ameise_now=_seen(ameise.get(mapping.ameise, UNKNOWN)),
        zoho_now=_seen(zoho.get(mapping.zoho, UNKNOWN)),
        to_ameise=_seen(merged.to_ameise[mapping.ameise]) if mapping.ameise in merged.to_ameise else None,
        to_zoho=_seen(merged.to_zoho[mapping.zoho]) if mapping.zoho in merged.to_zoho else None,
    )


def _besides(pipeline: Pipeline, merged: Merged) -> dict[str, Known]:
    mapped = {m.zoho for m in pipeline.definition.fields}
    return {name: value for name, value in merged.to_zoho.items() if name not in mapped}


def _seen(value: Value) -> SeenValue:
    return SeenValue(known=False) if value is UNKNOWN else SeenValue(known=True, value=value)


def _id(link: Link) -> ZohoId | None:
    return ZohoId(link.zoho_id) if link.zoho_id else None
