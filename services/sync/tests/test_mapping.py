"""Values: read into one form, converted to the other side's, sent as its API takes them."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.mapping import (
    CannotConvert,
    Conversion,
    Converter,
    FieldMapping,
    check,
    read_ameise,
    read_zoho,
    send_to_zoho,
)
from sync.values import UNKNOWN, Known, Value, canonical, canonical_number

CONVERSION = Conversion(
    link_base="https://ameise/",
    resolve=lambda module, key: {("Contacts", "5001"): "900"}.get((module, key)),
)


def of(converter: Converter, **more: Any) -> FieldMapping:
    return FieldMapping(ameise="a", zoho="z", converter=converter, **more)


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (None, None),
        ("", None),
        ("  \t", None),
        (" Groß ", "Groß"),
        ("050", "050"),
        (True, True),
        (False, False),
        (0, "0"),
        (554028000001000001, "554028000001000001"),
        (12.5, "12.5"),
        (1e21, "1000000000000000000000"),
        (Decimal("12.50"), "12.5"),
        ({"id": "7", "name": "x"}, "7"),
        ({}, None),
    ],
)
def test_raw_values_have_one_form(raw: Any, value: Known) -> None:
    assert canonical(raw) == value


def test_a_user_is_written_by_id_and_one_that_is_not_listed_changes_nothing() -> None:
    mapping = of(Converter.USER, values={"10": "554001", "11": "554001", "12": "554002"})
    assert send_to_zoho(mapping, CONVERSION.to_zoho(mapping, "12")) == {"id": "554002"}
    assert read_zoho(mapping, {"z": {"id": "554002", "name": "Anna"}}) == "554002"
    assert read_ameise(mapping, {"a": "99"}) is UNKNOWN
    assert read_ameise(mapping, {"a": ""}) is None
    with pytest.raises(CannotConvert, match="z geht nur nach Zoho"):
        CONVERSION.to_ameise(mapping, "554002")
    others = mapping.model_copy(update={"default": "554009"})
    assert read_ameise(others, {"a": "99"}) == "99"
    assert CONVERSION.to_zoho(others, "99") == "554009"


@pytest.mark.parametrize("raw", ["123.40", 123.4, Decimal("123.400"), " 123.4 "])
def test_amounts_are_compared_by_value(raw: Any) -> None:
    assert canonical_number(raw) == "123.4"
    assert canonical_number("viel") == "viel"


@pytest.mark.parametrize(
    ("fields", "value"), [({}, UNKNOWN), ({"a": None}, None), ({"a": ""}, None), ({"a": "v"}, "v")]
)
def test_absent_is_unknown_and_empty_is_known(fields: dict[str, Any], value: Value) -> None:
    assert read_ameise(of(Converter.TEXT), fields) == value
    assert read_zoho(of(Converter.TEXT), {name.replace("a", "z"): v for name, v in fields.items()}) == value


@pytest.mark.parametrize(
    ("mapping", "ameise", "zoho"),
    [
        (of(Converter.TEXT), "v", "v"),
        (of(Converter.DATE), "1980-01-02", "1980-01-02"),
        (of(Converter.PICKLIST, values={"1": "Herr"}), "1", "Herr"),
        (of(Converter.PICKLIST, values={"1": "Herr"}), "9", "9"),
        (of(Converter.TEXT), None, None),
        (of(Converter.BOOLEAN), True, True),
        (of(Converter.PHONE), "030 1", "030 1"),
    ],
)
def test_both_ways(mapping: FieldMapping, ameise: Known, zoho: Known) -> None:
    assert CONVERSION.to_zoho(mapping, ameise) == zoho
    assert CONVERSION.to_ameise(mapping, zoho) == ameise


@pytest.mark.parametrize(
    ("mapping", "ameise", "zoho"),
    [
        (of(Converter.LINK, template="{base}?kunde={value}"), "5001", "https://ameise/?kunde=5001"),
        (of(Converter.LINK, template="{base}?kunde={value}"), "a&b", "https://ameise/?kunde=a%26b"),
        (of(Converter.LOOKUP, module="Contacts"), "5001", "900"),
        (of(Converter.LOOKUP, module="Accounts"), "5001", None),
    ],
)
def test_one_way_to_zoho(mapping: FieldMapping, ameise: Known, zoho: Known) -> None:
    assert CONVERSION.to_zoho(mapping, ameise) == zoho
    with pytest.raises(CannotConvert):
        CONVERSION.to_ameise(mapping, "getippt")


def test_what_zoho_takes() -> None:
    assert send_to_zoho(of(Converter.NUMBER), "123.4") == 123.4
    assert send_to_zoho(of(Converter.LOOKUP, module="Contacts"), "900") == {"id": "900"}
    assert send_to_zoho(of(Converter.LOOKUP, module="Contacts"), None) is None
    assert send_to_zoho(of(Converter.TEXT), "Größe") == "Größe"


@pytest.mark.parametrize(
    ("converter", "raw", "value"),
    [
        (Converter.DATE, "02.01.1980", "1980-01-02"),
        (Converter.DATE, "1980-01-02T00:00:00+01:00", "1980-01-02"),
        (Converter.DATE, "irgendwann", "irgendwann"),
        (Converter.BOOLEAN, "Ja", True),
        (Converter.BOOLEAN, "nein", False),
        (Converter.BOOLEAN, False, False),
        (Converter.BOOLEAN, "vielleicht", "vielleicht"),
        (Converter.NUMBER, "NaN", "NaN"),
    ],
)
def test_what_is_read_as_a_type(converter: Converter, raw: Any, value: Known) -> None:
    assert read_zoho(of(converter), {"z": raw}) == value


@pytest.mark.parametrize(
    ("fields", "value"),
    [
        ({"strasse": "Weg 1", "ort": "Bonn"}, "Weg 1, Bonn"),
        ({"strasse": None, "ort": "Bonn"}, "Bonn"),
        ({"strasse": " ", "ort": None}, None),
        ({"ort": "Bonn"}, UNKNOWN),
    ],
)
def test_a_join_is_of_what_is_there_and_unknown_if_a_part_is(fields: dict[str, Any], value: Value) -> None:
    joined = of(Converter.JOIN, parts=("strasse", "ort"), separator=", ")
    assert read_ameise(joined, fields) == value


def test_a_constant_is_always_known() -> None:
    assert read_ameise(of(Converter.CONSTANT, constant="Ameise"), {}) == "Ameise"


LISTED = of(Converter.PICKLIST, values={"1": "Herr", "2": "Frau"}, default="Sonstige")


def test_what_is_not_listed_becomes_the_default_and_the_default_is_no_way_back() -> None:
    assert CONVERSION.to_zoho(LISTED, "9") == "Sonstige"
    with pytest.raises(CannotConvert):
        CONVERSION.to_ameise(LISTED, "Sonstige")
    assert CONVERSION.agrees_in_ameise(LISTED, "Sonstige", "9")


@pytest.mark.parametrize(
    ("mapping", "value", "words"),
    [
        (of(Converter.EMAIL), "ohne At", "keine E-Mail-Adresse"),
        (of(Converter.EMAIL), "a@b", "keine E-Mail-Adresse"),
        (of(Converter.EMAIL), "a b@c.de", "keine E-Mail-Adresse"),
        (of(Converter.DATE), "30.02.", "kein Datum"),
        (of(Converter.DATE), "2024-02-30", "kein Datum"),
        (of(Converter.NUMBER), "viel", "keine Zahl"),
        (of(Converter.NUMBER), "nan", "keine Zahl"),
        (of(Converter.BOOLEAN), "vielleicht", "weder ja noch nein"),
        (of(Converter.TEXT, required=True), None, "Pflichtfeld"),
        (of(Converter.TEXT, max_length=2), "abc", "3 Zeichen"),
    ],
)
def test_what_the_receiver_cannot_take_is_refused_without_being_quoted(
    mapping: FieldMapping, value: Known, words: str
) -> None:
    with pytest.raises(CannotConvert, match=words) as caught:
        check(mapping, value, receiver="Feld")
    assert value is None or str(value) not in str(caught.value)


@pytest.mark.parametrize(
    ("mapping", "value"),
    [
        (of(Converter.EMAIL), "a.b+c@sub.example.de"),
        (of(Converter.DATE), "2024-02-29"),
        (of(Converter.NUMBER), "-12.5"),
        (of(Converter.BOOLEAN), False),
        (of(Converter.TEXT), None),
    ],
)
def test_what_fits_passes_as_it_is(mapping: FieldMapping, value: Known) -> None:
    assert check(mapping, value, receiver="Feld") == value


ROUND_TRIP = [
    Converter.TEXT,
    Converter.NUMBER,
    Converter.DATE,
    Converter.BOOLEAN,
    Converter.PHONE,
    Converter.EMAIL,
]


@given(
    st.sampled_from(ROUND_TRIP),
    st.text(max_size=12)
    | st.booleans()
    | st.none()
    | st.integers()
    | st.decimals(allow_nan=False, allow_infinity=False),
)
def test_a_value_comes_back_as_it_went(converter: Converter, raw: Any) -> None:
    mapping = of(converter)
    value = read_ameise(mapping, {"a": raw})
    assert value is not UNKNOWN
    there = CONVERSION.to_zoho(mapping, value)
    assert CONVERSION.to_ameise(mapping, there) == value
    assert read_ameise(mapping, {"a": value}) == value  # reading is done once and for all
    assert CONVERSION.agrees_in_zoho(mapping, value, there)


@given(
    st.dictionaries(st.text(min_size=1, max_size=3), st.text(min_size=1, max_size=3), min_size=1, max_size=5),
    st.data(),
)
def test_a_listed_value_comes_back_or_is_refused(values: dict[str, str], data: st.DataObject) -> None:
    mapping = of(Converter.PICKLIST, values=values)
    key = data.draw(st.sampled_from(sorted(values)))
    there = CONVERSION.to_zoho(mapping, key)
    assert CONVERSION.agrees_in_ameise(mapping, there, key)
    if list(values.values()).count(values[key]) > 1:
        with pytest.raises(CannotConvert):
            CONVERSION.to_ameise(mapping, there)
    else:
        assert CONVERSION.to_ameise(mapping, there) == key
