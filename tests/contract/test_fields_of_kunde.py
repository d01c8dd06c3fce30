"""sync knows by name what ingest composes a Kunde of."""

from contracts.names import Table
from ingest.composing import field_names
from ingest.table_format import load_format
from sync.definition_check import FIELDS_OF_KUNDE


def test_no_field_of_a_kunde_is_free_for_a_kundendetail() -> None:
    assert set(field_names(load_format("dailyup-1"), Table.KUNDE)) <= FIELDS_OF_KUNDE
