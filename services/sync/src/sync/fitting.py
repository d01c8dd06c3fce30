"""The merge without what no longer fits Zoho: such a field is held back, all others go on. Pure."""

from collections.abc import Mapping
from dataclasses import replace

from contracts.rpc.pipeline_definition import FieldMapping, Way
from sync.mapping import Conversion
from sync.merge import NOTHING_ASKED, Decisions, Finding, Merged, merge
from sync.pipelines import Pipeline
from sync.values import UNKNOWN, Fields, Known


def merge_fitting(
    pipeline: Pipeline,
    *,
    ameise: Fields,
    zoho: Fields,
    ameise_base: Mapping[str, Known] | None,
    zoho_base: Mapping[str, Known] | None,
    conversion: Conversion,
    asked: Decisions = NOTHING_ASKED,
    new_record: bool = False,
) -> Merged:
    """As `merge`. What is held back counts as unknown: its bases stay, and so the change stays visible."""
    mappings, drift = pipeline.definition.fields, pipeline.drift
    merged = merge(
        [m for m in mappings if m.zoho not in drift.left_out] if drift.left_out else mappings,
        ameise=ameise,
        zoho=zoho,
        ameise_base=ameise_base,
        zoho_base=zoho_base,
        policy=pipeline.definition.policy,
        conversion=conversion,
        asked=asked,
        new_record=new_record,
    )
    if not drift.findings:
        return merged
    left_out = [m for m in mappings if m.zoho in drift.left_out]
    refused = [
        m for m in mappings if m.zoho in merged.to_zoho and drift.refuses(m.zoho, merged.to_zoho[m.zoho])
    ]
    unfit = {m.zoho for m in refused}
    unknown = dict.fromkeys((m.ameise for m in (*left_out, *refused)), Finding.UNKNOWN)
    changed = [m for m in left_out if _has_changed(m, ameise, ameise_base or {})]
    return replace(
        merged,
        to_zoho={name: value for name, value in merged.to_zoho.items() if name not in unfit},
        findings={**merged.findings, **unknown},
        held_back=tuple(m.ameise for m in (*changed, *refused)),
    )


def _has_changed(mapping: FieldMapping, ameise: Fields, base: Mapping[str, Known]) -> bool:
    """Whether Ameise has a value that Zoho should have been told."""
    value = ameise.get(mapping.ameise, UNKNOWN)
    if mapping.way is Way.TO_AMEISE or value is UNKNOWN:
        return False
    return value != base.get(mapping.ameise)
