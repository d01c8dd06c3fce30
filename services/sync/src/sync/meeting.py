"""A Kunde (or Vertrag) comes by delivery before the Erstanlage that made him has got to its end: his record
is there.

Without this look, the delivery would make a second record of somebody who was typed into Zoho a moment ago.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from chassis.database import Database
from contracts.names import Table
from sync import intent_store
from sync.batch import Item
from sync.intent_store import Intent
from sync.link_store import Link
from sync.matching import sure_keys
from sync.pipelines import Pipeline
from sync.values import Known, canonical
from sync.vertrag_matching import match_key


async def with_records_of_intents(
    database: Database, pipeline: Pipeline, items: Sequence[Item], links: Mapping[str, Link]
) -> dict[str, Link]:
    """The links, those without a record completed by the record whose Erstanlage the object came of."""
    unlinked = [item for item in items if item.object.key in links and not links[item.object.key].zoho_id]
    if pipeline.table not in (Table.KUNDE, Table.VERTRAG) or not unlinked:
        return dict(links)
    keys = {str(item.object.key): _keys_of(pipeline, item) for item in unlinked}
    async with database.tenant(pipeline.tenant) as session:
        met = await intent_store.met_by(
            session, pipeline, numbers=list(keys), keys=[key for some in keys.values() for key in some]
        )
    kunden = {str(item.object.key): canonical(item.object.fields.get("kunde_id")) for item in unlinked}
    found = {
        number: record
        for number, some in keys.items()
        if (record := record_of(number, some, met, kunde=kunden[number]))
    }
    return {
        number: replace(link, zoho_id=found[number]) if number in found else link
        for number, link in links.items()
    }


def _keys_of(pipeline: Pipeline, item: Item) -> Sequence[str]:
    if pipeline.table is Table.KUNDE:
        return sure_keys(item.object.fields, tenant=pipeline.tenant)
    key = match_key(item.object.fields.get("versicherungsscheinnummer"), tenant=pipeline.tenant)
    return [key] if key else []


def record_of(number: str, keys: Sequence[str], met: Sequence[Intent], *, kunde: Known = None) -> str | None:
    """The Zoho id of the record that the Kunde (or the Vertrag of `kunde`) was made from; None if there is
    none, or more than one.

    A creation whose outcome is unknown made an object that is surely alike and was not there before it; a
    Vertrag for the Kunde that it was posted for: two Kunden may have "beantragt" as a number.
    """
    made = {one.zoho_id for one in met if one.key == number}
    if not made:
        made = {
            one.zoho_id
            for one in met
            if one.key is None and number not in one.found_before and not one.match_keys.isdisjoint(keys)
            if one.kunde is None or one.kunde == kunde
        }
    return made.pop() if len(made) == 1 else None
