"""Which values become the bases after a merge. Pure."""

from collections.abc import Iterable

from sync.mapping import FieldMapping
from sync.merge import OPEN, Finding, Merged
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
    was merged, so that an edit made since then stays visible. A field keeps its old bases, and so the
    change stays visible, if it was unknown on one side, if a person is asked about it, or if it should have
    been written and was not read back: a batch to Zoho leaves Zoho's own changes to whoever looks at the
    record next.
    """
    ameise_base: dict[str, Known] = {}
    zoho_base: dict[str, Known] = {}
    findings, written_there, written_in_zoho = merged.findings, merged.to_ameise, merged.to_zoho
    for mapping in mappings:
        name, zoho_name = mapping.ameise, mapping.zoho
        if findings.get(name, Finding.UNKNOWN) in OPEN:
            continue
        to_ameise, to_zoho = name in written_there, zoho_name in written_in_zoho
        a = (ameise_read_back if to_ameise else ameise).get(name, UNKNOWN)
        z = (zoho_read_back if to_zoho else zoho).get(zoho_name, UNKNOWN)
        if (to_ameise and a is UNKNOWN) or (to_zoho and z is UNKNOWN):
            continue
        if a is not UNKNOWN:
            ameise_base[name] = a
        if z is not UNKNOWN:
            zoho_base[zoho_name] = z
    return ameise_base, zoho_base
