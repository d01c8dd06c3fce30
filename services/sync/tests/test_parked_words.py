"""Every cause has its sentence in both languages, and no detail can forge another."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.rpc.sync_parked import ParkedCause
from sync.parked_words import Kind, english, german


@pytest.mark.parametrize("cause", ParkedCause)
def test_every_cause_has_a_sentence_that_begins_with_one_of_five_words(cause: ParkedCause) -> None:
    assert german(cause, {}).split(":")[0] in {kind.value for kind in Kind}
    assert english(cause, {})


@pytest.mark.parametrize("cause", ParkedCause)
@given(
    details=st.dictionaries(
        st.sampled_from(["fields", "kunde", "kunden", "zoho_id", "answer", "meaning"]), st.text()
    )
)
def test_any_details_give_a_sentence_and_each_is_filled_in_once(
    cause: ParkedCause, details: dict[str, str]
) -> None:
    names = re.findall(r"\{(\w+)\}", german(cause, {}))
    assert names == []
    for sentence in (german(cause, details), english(cause, details)):
        assert sentence
    marked = dict.fromkeys(details, "{kunde}")
    assert german(cause, marked).count("{kunde}") == german(cause, dict.fromkeys(details, "§")).count("§")


def test_details_stand_in_the_sentence() -> None:
    details = {"kunde": "5001", "zoho_id": "77"}
    assert german(ParkedCause.KUNDE_TAKEN, details) == "unklar: Kunde 5001 gehört schon zu Datensatz 77"
    assert english(ParkedCause.KUNDE_TAKEN, details) == "unsure: Kunde 5001 belongs to record 77 already"


def test_a_table_is_a_german_noun_in_a_german_reason_only():
    details = {"table": "vertrag", "key": "77"}
    assert german(ParkedCause.OBJECT_UNKNOWN, details) == "abgelehnt: Vertrag 77 war in keiner Lieferung"
    assert english(ParkedCause.OBJECT_UNKNOWN, details) == "refused: ingest does not know vertrag 77"
