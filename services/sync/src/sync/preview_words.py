"""A decision of the work, told as a preview. Pure."""

from collections.abc import Iterable, Mapping, Set
from dataclasses import replace
from types import MappingProxyType
from typing import assert_never
from zoneinfo import ZoneInfo

from contracts.events import Excluded
from contracts.ids import ZohoId
from contracts.names import Table
from contracts.rpc.pipeline_definition import Policy, Way
from contracts.rpc.sync_preview import FieldPreview, Finding, Foreseen, ObjectPreview
from contracts.rpc.sync_state import SeenValue
from sync.batch import Merging, Settled, Unsettled, Verdict
from sync.link_store import Link
from sync.mapping import FieldMapping
from sync.merge import Merged
from sync.pipelines import Pipeline
from sync.retry import Park
from sync.sides import NOTHING_LATE, is_late
from sync.values import UNKNOWN, Fields, Known, Value
from sync.waiting_store import Plan

NOTHING: Mapping[str, Known] = MappingProxyType({})
_AFTERWARDS = "danach wird der Zoho-Datensatz mit dem verglichen, was Ameise dann sagt"
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
            shown = of_merged(pipeline, found.link, found.merged, found.ameise, found.zoho, late=found.late)
            looks = found.late and found.look_at_zoho and pipeline.definition.takes_webhooks
            return shown.model_copy(update={"reason": _AFTERWARDS}) if looks else shown
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


def of_merged(
    pipeline: Pipeline,
    link: Link,
    merged: Merged,
    ameise: Fields,
    zoho: Fields,
    *,
    late: Set[str] = NOTHING_LATE,
) -> ObjectPreview:
    """Both sides merged, field by field. `late`: the fields of which Ameise may have a younger value."""
    besides = _besides(pipeline, merged)
    if link.zoho_id is None:
        what = Foreseen.CREATE_RECORD
        if pipeline.definition.unique_field not in merged.to_zoho:
            besides[pipeline.definition.unique_field] = link.ameise_key
    else:
        what = Foreseen.UPDATE if merged.to_zoho or merged.to_ameise else Foreseen.UNCHANGED
    unknown = [m for m in pipeline.definition.fields if merged.findings.get(m.ameise) is Finding.UNKNOWN]
    older = {m.ameise: _of_late(m, link) for m in unknown if is_late(m, late)}
    told = replace(merged, findings={**merged.findings, **older})
    fields = (_field(m, told, ameise, zoho) for m in pipeline.definition.fields)
    return foreseen(link, what, fields=fields, besides=besides)


def _of_late(mapping: FieldMapping, link: Link) -> Finding:
    """What is to be said of a field that no delivery as old as this one may change."""
    question = link.asked.get(mapping.ameise)
    if question is None or mapping.way is not Way.BOTH:
        return Finding.OLDER
    match question["decision"]:
        case None:
            return Finding.STILL_ASKED
        case Policy.AMEISE:
            return Finding.DECIDED_TO_ZOHO
        case _:
            return Finding.DECIDED_TO_AMEISE


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
