"""Values: read into one form, converted to the other side's, sent as its API takes them."""

from decimal import Decimal
from typing import Any

import pytest

from sync.mapping import (
    CannotConvert,
    Conversion,
    Converter,
    FieldMapping,
    read_ameise,
    read_zoho,
    send_to_zoho,
)
from sync.values import UNKNOWN, Known, Value, canonical, canonical_amount

CONVERSION = Conversion(
    kunde_link="https://ameise/{}".format,
    vertrag_link="https://ameise/v/{}".format,
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


@pytest.mark.parametrize("raw", ["123.40", 123.4, Decimal("123.400"), " 123.4 "])
def test_amounts_are_compared_by_value(raw: Any) -> None:
    assert canonical_amount(raw) == "123.4"
    assert canonical_amount("viel") == "viel"


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
        (of(Converter.VALUES, values={"1": "Herr"}), "1", "Herr"),
        (of(Converter.VALUES, values={"1": "Herr"}), "9", "9"),
        (of(Converter.TEXT), None, None),
    ],
)
def test_both_ways(mapping: FieldMapping, ameise: Known, zoho: Known) -> None:
    assert CONVERSION.to_zoho(mapping, ameise) == zoho
    assert CONVERSION.to_ameise(mapping, zoho) == ameise


@pytest.mark.parametrize(
    ("mapping", "ameise", "zoho"),
    [
        (of(Converter.KUNDE_LINK), "5001", "https://ameise/5001"),
        (of(Converter.VERTRAG_LINK), "1", "https://ameise/v/1"),
        (of(Converter.LOOKUP, module="Contacts"), "5001", "900"),
        (of(Converter.LOOKUP, module="Accounts"), "5001", None),
    ],
)
def test_one_way_to_zoho(mapping: FieldMapping, ameise: Known, zoho: Known) -> None:
    assert CONVERSION.to_zoho(mapping, ameise) == zoho
    with pytest.raises(CannotConvert):
        CONVERSION.to_ameise(mapping, "getippt")


def test_what_zoho_takes() -> None:
    assert send_to_zoho(of(Converter.AMOUNT), "123.4") == 123.4
    assert send_to_zoho(of(Converter.LOOKUP, module="Contacts"), "900") == {"id": "900"}
    assert send_to_zoho(of(Converter.LOOKUP, module="Contacts"), None) is None
    assert send_to_zoho(of(Converter.TEXT), "Größe") == "Größe"
