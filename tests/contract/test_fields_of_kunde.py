"""sync knows by name what ingest composes a Kunde of, and its tests play an ingest that says what it does."""

import sys
from pathlib import Path

import pytest

from contracts.names import Table
from ingest.composing import OBJECT_TABLES, field_names
from ingest.table_format import load_format
from sync.definition_check import FIELDS_OF_KUNDE

sys.path.insert(0, str(Path(__file__).parents[2] / "services" / "sync" / "tests"))
from outside import FIELDS

FORM = load_format("dailyup-1")


def test_no_field_of_a_kunde_is_free_for_a_kundendetail() -> None:
    assert set(field_names(FORM, Table.KUNDE)) <= FIELDS_OF_KUNDE


@pytest.mark.parametrize("table", list(Table))
def test_the_played_ingest_names_the_fields_that_there_are(table: Table) -> None:
    there = field_names(FORM, table) if table in OBJECT_TABLES else ()
    assert set(FIELDS.get(table, "id text").split()) == set(there)
