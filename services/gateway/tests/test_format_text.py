"""The differences of a format as text: what a person typed is taken, or refused with its place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.names import Table
from contracts.problems import Invalid
from contracts.rpc.ingest_format import ColumnChange, ColumnType, FormatChanges, Policy, TableChange
from gateway.format_text import as_text, from_text

words = st.text("abcäöü_*. ", min_size=1, max_size=9).map(str.strip).filter(bool)
columns = st.builds(
    ColumnChange,
    aliases=st.none() | st.lists(words, max_size=3).map(tuple),
    type=st.none() | st.sampled_from(ColumnType),
    required=st.none() | st.booleans(),
    missing=st.none() | st.sampled_from(Policy),
)
tables = st.builds(
    TableChange,
    files=st.none() | st.lists(words, min_size=1, max_size=3).map(tuple),
    columns=st.dictionaries(words, columns, max_size=3),
    new_columns=st.dictionaries(words, st.sampled_from(Policy), max_size=3),
)


@given(st.builds(FormatChanges, tables=st.dictionaries(st.sampled_from(Table), tables, max_size=3)))
def test_what_is_shown_says_the_same_when_it_is_sent_back(changes):
    assert as_text(from_text(as_text(changes))) == as_text(changes)


def test_nothing_is_no_difference():
    assert (as_text(FormatChanges()), from_text(" \n")) == ("", FormatChanges())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"tables": {\n "kunde": }}', "Zeile 2, Spalte 11: das ist kein gültiges JSON."),
        ('{"tables": {"kunde": {"colums": {}}}}', "tables.kunde.colums: diesen Eintrag gibt es nicht."),
        ('{"tables": {"kunde": {"files": []}}}', "tables.kunde.files: ist leer."),
        ('{"tables": {"kunden": {}}}', "tables.kunden: erlaubt ist 'anrede', 'rechtsform'"),
        (
            '{"tables": {"kunde": {"columns": {"plz": {"type": "zahl"}}}}}',
            "tables.kunde.columns.plz.type: erlaubt ist 'text', 'date', 'decimal', 'boolean', 'timestamp'.",
        ),
        ('{"tables": []}', "tables: muss ein Objekt sein."),
        ("[]", "Das Ganze: muss ein Objekt sein."),
        ("[" * 100_000, "zu tief geschachtelt"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(text, words):
    with pytest.raises(Invalid) as refused:
        from_text(text)
    assert words in refused.value.detail
