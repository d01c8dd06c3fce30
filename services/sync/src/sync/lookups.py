"""The lookups of one record, followed through the links in both directions."""

from collections.abc import Mapping
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.database import Database, fetch_all
from contracts.ids import Kundennummer
from contracts.names import Table
from sync import link_store
from sync.mapping import (
    CannotConvert,
    Converter,
    FieldMapping,
    Resolve,
    read_ameise,
    read_zoho,
    sources_of,
)
from sync.pipelines import Pipeline
from sync.values import UNKNOWN


async def resolver(database: Database, pipeline: Pipeline, fields: Mapping[str, Any]) -> Resolve:
    """What `Conversion` asks about the lookups of one object of Ameise."""
    wanted = [
        (mapping.module, mapping.points_to, str(value))
        for mapping in pipeline.definition.fields
        if mapping.converter is Converter.LOOKUP and mapping.module is not None
        if (value := read_ameise(mapping, fields)) is not None and value is not UNKNOWN
    ]
    resolved: dict[tuple[str, str], str] = {}
    if wanted:
        async with database.tenant(pipeline.tenant) as session:
            for module, table, key in wanted:
                found = await link_store.zoho_ids_of(session, pipeline, module, table, [key])
                resolved |= {(module, key): zoho_id for key, zoho_id in found.items()}
    return lambda module, key: resolved.get((module, key))


async def kunden_named(
    session: AsyncSession, pipeline: Pipeline, record: Mapping[str, Any]
) -> dict[str, str | None]:
    """Whose a record says that it is: Zoho's field → Kundennummer, None if its record is linked to nobody.

    Only fields that are filled. Raises CannotConvert if one holds no Kundennummer."""
    named: dict[str, str | None] = {}
    for mapping in pipeline.definition.fields:
        if not _names_a_kunde(mapping):
            continue
        value = read_zoho(mapping, record)
        if value is not None and value is not UNKNOWN:
            named[mapping.zoho] = await _kunde_of(session, pipeline, mapping, str(value))
    return named


def _names_a_kunde(mapping: FieldMapping) -> bool:
    """Others that read `kunde_id` alone show it in another form: a link, a word of a picklist."""
    if sources_of(mapping) != ("kunde_id",):
        return False
    if mapping.converter is Converter.LOOKUP:
        return mapping.points_to is Table.KUNDE
    return mapping.converter is Converter.TEXT


def _kundennummer(mapping: FieldMapping, value: str) -> Kundennummer:
    try:
        return Kundennummer(value)
    except ValueError as error:
        raise CannotConvert(f"in {mapping.zoho} steht keine Kundennummer") from error


async def _kunde_of(
    session: AsyncSession, pipeline: Pipeline, mapping: FieldMapping, value: str
) -> str | None:
    if mapping.converter is Converter.TEXT:
        return _kundennummer(mapping, value)
    rows = await fetch_all(
        session,
        "SELECT ameise_key FROM link WHERE zoho_connection = :connection AND module = :module "
        "AND zoho_id = :zoho_id AND table_name = :table AND linked_at IS NOT NULL AND NOT gone_in_zoho",
        connection=pipeline.zoho_connection, module=mapping.module, zoho_id=value,
        table=mapping.points_to.value,
    )  # fmt: skip
    return rows[0]["ameise_key"] if rows else None
