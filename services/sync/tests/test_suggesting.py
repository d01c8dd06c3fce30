"""Entries of Ameise's lists find the values of Zoho's picklists by their texts."""

from hypothesis import given
from hypothesis import strategies as st

from sync.suggesting import LIST_FIELDS, NO_VALUE, PickValue, suggest

TEXTS = st.sampled_from(
    ["Herr", "herr", " Herr ", "Frau", "FRAU", "Haftpflicht", "Straße", "STRASSE", "", "X"]
)
PICKLIST = st.lists(st.builds(PickValue, TEXTS | st.just(NO_VALUE), TEXTS), max_size=8)


def picked(*actual: str) -> list[PickValue]:
    return [PickValue(one, one) for one in actual]


def test_equal_texts_meet_whatever_their_case_and_spaces() -> None:
    found = suggest({"1": "Herr", "2": "frau", "4": "Divers"}, picked("-None-", "Herr", "Frau", "Dr."), {})
    assert found.values == {"1": "Herr", "2": "Frau"}
    assert (found.unmatched, found.unused) == (["4"], ["Dr."])


def test_what_people_see_counts_and_what_records_carry_is_suggested() -> None:
    assert suggest({"050": "Kfz"}, [PickValue("Option 1", "KFZ")], {}).values == {"050": "Option 1"}


def test_where_two_values_may_be_meant_only_the_exact_one_is() -> None:
    picklist = picked("Bund", "BUND")
    found = suggest({"1": "BUND", "2": "bund"}, picklist, {})
    assert (found.values, found.unmatched) == ({"1": "BUND"}, ["2"])


def test_what_is_mapped_stays_unless_zoho_knows_it_no_more() -> None:
    found = suggest(
        {"1": "Herr", "2": "Frau"}, picked("Herr", "Frau"), {"1": "Frau", "2": "Dame", "9": "Herr"}
    )
    assert found.values == {"1": "Frau", "2": "Frau"}


@given(entries=st.dictionaries(TEXTS, TEXTS), picklist=PICKLIST, mapped=st.dictionaries(TEXTS, TEXTS))
def test_nothing_is_invented_and_nothing_is_lost(
    entries: dict[str, str], picklist: list[PickValue], mapped: dict[str, str]
) -> None:
    found = suggest(entries, picklist, mapped)
    actual = {value.actual for value in picklist} - {"", NO_VALUE}
    assert set(found.values) | set(found.unmatched) == set(entries)
    assert not set(found.values) & set(found.unmatched)
    assert set(found.values.values()) | set(found.unused) == actual
    assert not set(found.values.values()) & set(found.unused)
    again = suggest(entries, picklist, found.values)
    assert again.values == found.values


@given(entries=st.dictionaries(TEXTS, TEXTS), picklist=PICKLIST)
def test_a_text_that_is_one_value_of_zoho_becomes_it(
    entries: dict[str, str], picklist: list[PickValue]
) -> None:
    plain = [value for value in picklist if value.actual == value.display]
    values = suggest(entries, plain, {}).values
    for entry, text in entries.items():
        if text in {value.actual for value in plain} - {"", NO_VALUE}:
            assert values[entry] == text


def test_every_list_is_known_by_key_and_by_text() -> None:
    assert {name for name in LIST_FIELDS if name.endswith("_id")} == {
        f"{name}_id" for name in LIST_FIELDS if not name.endswith("_id")
    }
