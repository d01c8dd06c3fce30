"""Which values become the bases after a merge. Pure."""

from collections.abc import Iterable

from sync.mapping import FieldMapping
from sync.merge import Finding, Merged
from sync.values import UNKNOWN, Fields, Known


def bases_after(
    mappings: Iterable[FieldMapping],
    merged: Merged,
    *,
    ameise: Fields,
    zoho: Fields,
    ameise_read_back: Fields,
    zoho_read_back: Fields,
) -> tuple[dict[str, Known], dict[str, Known]]:
    """(Ameise bases, Zoho bases) of the fields that are settled.

    `ameise` and `zoho` are the values that were merged. Of a field that we wrote, the value read back is
    the base, so that the receiving side's normalisation is no edit; every other field keeps the value that
    was merged, so that an edit made since then stays visible. A field that was unknown on one side keeps
    its old bases: the other side's change must stay visible too.
    """
    ameise_base: dict[str, Known] = {}
    zoho_base: dict[str, Known] = {}
    for mapping in mappings:
        if merged.findings.get(mapping.ameise) is Finding.UNKNOWN:
            continue
        a_read = ameise_read_back if mapping.ameise in merged.to_ameise else ameise
        z_read = zoho_read_back if mapping.zoho in merged.to_zoho else zoho
        if (a := a_read.get(mapping.ameise, UNKNOWN)) is not UNKNOWN:
            ameise_base[mapping.ameise] = a
        if (z := z_read.get(mapping.zoho, UNKNOWN)) is not UNKNOWN:
            zoho_base[mapping.zoho] = z
    return ameise_base, zoho_base
