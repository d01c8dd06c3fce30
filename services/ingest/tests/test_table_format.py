"""The data file of the format, and that the tables in the code fit it."""

import pytest

from contracts.names import Table
from ingest.staging import SQL_TYPES
from ingest.table_format import load_format
from ingest.tables import Base, StoredObject

FORMAT = load_format("dailyup-1")


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("DEMO01_20261124_kunden.csv", Table.KUNDE),
        ("kunden.CSV", Table.KUNDE),
        ("DEMO01_20261124_kundendetails.csv", Table.KUNDENDETAIL),
        ("DEMO01_20261124_vertragsstatus.csv", Table.STATUS),
        ("kunden.csv.unfinished", None),
        ("liesmich.txt", None),
    ],
)
def test_a_file_is_known_by_its_name(name: str, table: Table | None) -> None:
    assert FORMAT.table_of(name) is table


@pytest.mark.parametrize("heading", ["strasse", "Straße", " STRASSE ", "\ufeffstrasse"])
def test_a_column_is_known_by_its_name_or_an_alias(heading: str) -> None:
    column = FORMAT[Table.KUNDE].column_headed(heading)
    assert column is not None
    assert column.name == "strasse"


@pytest.mark.parametrize("table", Table)
def test_the_stored_table_has_the_columns_of_the_format(table: Table) -> None:
    columns = Base.metadata.tables[table.value].columns
    types = {"varchar": "text", "datetime": "timestamp"}
    own = {c.name: str(c.type).lower() for c in columns if c.name not in StoredObject.model_fields}
    expected = {c.name: SQL_TYPES[c.type] for c in FORMAT[table].columns}
    assert {name: types.get(type_, type_) for name, type_ in own.items()} == expected
