"""The three-way merge with two bases, field by field, and the bases that follow from it."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sync.bases import bases_after
from sync.mapping import Blank, CannotConvert, Conversion, Converter, FieldMapping, Way
from sync.merge import Asked, Finding, Merged, Policy, merge
from sync.values import UNKNOWN, Known, Value

CONVERSION = Conversion(
    link_base="https://ameise/",
    resolve=lambda module, key: {"5001": "900"}.get(key) if module == "Contacts" else None,
)
NO_BASE = object()
TEXT = FieldMapping(ameise="a", zoho="z")
FILLS = FieldMapping(ameise="a", zoho="z", blank=Blank.FILL_BLANK)
PHONE = FieldMapping(ameise="a", zoho="z", converter=Converter.PHONE)
EMAIL = FieldMapping(ameise="a", zoho="z", converter=Converter.EMAIL)
ASKS = FieldMapping(ameise="a", zoho="z", policy=Policy.ASK)
FILLS_AMEISE = FieldMapping(ameise="a", zoho="z", way=Way.TO_AMEISE, blank=Blank.FILL_BLANK)
ERASES = FieldMapping(ameise="a", zoho="z", blank=Blank.ERASE)
TO_ZOHO = FieldMapping(ameise="a", zoho="z", way=Way.TO_ZOHO)
TO_AMEISE = FieldMapping(ameise="a", zoho="z", way=Way.TO_AMEISE)
TWO_TO_ONE = FieldMapping(
    ameise="a", zoho="z", converter=Converter.PICKLIST, values={"x": "Sonstige", "y": "Sonstige", "h": "Herr"}
)
LOOKUP = FieldMapping(ameise="a", zoho="z", way=Way.TO_ZOHO, converter=Converter.LOOKUP, module="Contacts")


def merged_of(
    mapping: FieldMapping,
    *,
    ameise: Value,
    zoho: Value,
    ameise_base: object = NO_BASE,
    zoho_base: object = NO_BASE,
    policy: Policy = Policy.AMEISE,
    asked: Mapping[str, Asked] = MappingProxyType({}),
) -> Merged:
    return merge(
        [mapping],
        ameise={} if ameise is UNKNOWN else {"a": ameise},
        zoho={} if zoho is UNKNOWN else {"z": zoho},
        ameise_base=None if ameise_base is NO_BASE else {"a": ameise_base},  # pyright: ignore[reportArgumentType]
        zoho_base=None if zoho_base is NO_BASE else {"z": zoho_base},  # pyright: ignore[reportArgumentType]
        policy=policy,
        conversion=CONVERSION,
        asked=asked,
    )


def merged_if_it_can_be(mapping: FieldMapping, **sides: Any) -> Merged:
    """Of examples whose value has one counterpart."""
    try:
        return merged_of(mapping, **sides)
    except CannotConvert:
        assume(False)
        raise


@pytest.mark.parametrize(
    ("mapping", "ameise", "ameise_base", "zoho", "zoho_base", "finding", "to_ameise", "to_zoho"),
    [
        # nobody changed anything; two forms of the same value are left alone
        (TEXT, "v", "v", "v", "v", Finding.UNCHANGED, {}, {}),
        (TEXT, "030 1", "030 1", "+49 30 1", "+49 30 1", Finding.UNCHANGED, {}, {}),
        # one side changed
        (TEXT, "neu", "alt", "alt", "alt", Finding.AMEISE_CHANGED, {}, {"z": "neu"}),
        (TEXT, "alt", "alt", "neu", "alt", Finding.ZOHO_CHANGED, {"a": "neu"}, {}),
        # first contact: what only one side has, the other gets
        (TEXT, "v", NO_BASE, None, NO_BASE, Finding.AMEISE_CHANGED, {}, {"z": "v"}),
        (TEXT, None, NO_BASE, "v", NO_BASE, Finding.ZOHO_CHANGED, {"a": "v"}, {}),
        (TEXT, "v", NO_BASE, "v", NO_BASE, Finding.AGREED, {}, {}),
        (TEXT, None, NO_BASE, None, NO_BASE, Finding.UNCHANGED, {}, {}),
        # both changed
        (TEXT, "neu", "alt", "neu", "alt", Finding.AGREED, {}, {}),
        (TEXT, "von A", "alt", "von Z", "alt", Finding.CONFLICT_TO_ZOHO, {}, {"z": "von A"}),
        # a change to what the other side has already is no write
        (TEXT, "neu", "alt", "neu", "neu", Finding.AGREED, {}, {}),
        (TEXT, "neu", "neu", "neu", "alt", Finding.AGREED, {}, {}),
        # an emptying erases only where the mapping says so
        (TEXT, None, "v", "v", "v", Finding.KEPT, {}, {}),
        (TEXT, "v", "v", None, "v", Finding.KEPT, {}, {}),
        (ERASES, None, "v", "v", "v", Finding.AMEISE_CHANGED, {}, {"z": None}),
        (ERASES, "v", "v", None, "v", Finding.ZOHO_CHANGED, {"a": None}, {}),
        # a value beats an emptying, whatever the policy
        (TEXT, None, "alt", "neu", "alt", Finding.ZOHO_CHANGED, {"a": "neu"}, {}),
        (TEXT, "neu", "alt", None, "alt", Finding.AMEISE_CHANGED, {}, {"z": "neu"}),
        (ERASES, None, "alt", "neu", "alt", Finding.CONFLICT_TO_AMEISE, {"a": "neu"}, {}),
        (ERASES, "neu", "alt", None, "alt", Finding.CONFLICT_TO_ZOHO, {}, {"z": "neu"}),
        (TEXT, None, "alt", None, "alt", Finding.AGREED, {}, {}),
        # unknown changes nothing, and holds the other side's change back
        (TEXT, UNKNOWN, "v", "v", "v", Finding.UNKNOWN, {}, {}),
        (TEXT, UNKNOWN, "v", "neu", "v", Finding.UNKNOWN, {}, {}),
        (TEXT, "neu", "v", UNKNOWN, "v", Finding.UNKNOWN, {}, {}),
        (TO_ZOHO, "neu", "v", UNKNOWN, "v", Finding.UNKNOWN, {}, {}),
        # two keys to one value: neither the key nor its text ping-pongs
        (TWO_TO_ONE, "y", "x", "Sonstige", "Sonstige", Finding.AGREED, {}, {}),
        (TWO_TO_ONE, "y", "y", "Sonstige", "Sonstige", Finding.UNCHANGED, {}, {}),
        (TWO_TO_ONE, "y", NO_BASE, "Sonstige", NO_BASE, Finding.AGREED, {}, {}),
        (TWO_TO_ONE, "y", "y", "Herr", "Sonstige", Finding.ZOHO_CHANGED, {"a": "h"}, {}),
        (TWO_TO_ONE, "fremd", "y", "Sonstige", "Sonstige", Finding.AMEISE_CHANGED, {}, {"z": "fremd"}),
        # one way to Zoho: an edit there changes nothing, Ameise's next change does
        (TO_ZOHO, "v", "v", "getippt", "v", Finding.UNCHANGED, {}, {}),
        (TO_ZOHO, "neu", "v", "getippt", "v", Finding.AMEISE_CHANGED, {}, {"z": "neu"}),
        (TO_ZOHO, None, "v", "v", "v", Finding.KEPT, {}, {}),
        # fill only what is blank there
        (FILLS, "neu", "alt", "alt", "alt", Finding.KEPT, {}, {}),
        (FILLS, "neu", "alt", None, None, Finding.AMEISE_CHANGED, {}, {"z": "neu"}),
        (FILLS, None, None, "neu", None, Finding.ZOHO_CHANGED, {"a": "neu"}, {}),
        (FILLS, None, "v", "v", "v", Finding.KEPT, {}, {}),
        (FILLS, "von A", "alt", "von Z", "alt", Finding.KEPT, {}, {}),
        (FILLS_AMEISE, "da", "da", "neu", "alt", Finding.KEPT, {}, {}),
        (FILLS_AMEISE, None, None, "neu", "alt", Finding.ZOHO_CHANGED, {"a": "neu"}, {}),
        (FILLS_AMEISE, UNKNOWN, None, "neu", "alt", Finding.UNKNOWN, {}, {}),
        # one number or address in two ways of writing
        (PHONE, "030 12345", NO_BASE, "+49 (0)30/12345", NO_BASE, Finding.AGREED, {}, {}),
        (PHONE, "030 12345", "030 1", "+49 30 12345", "+49 30 1", Finding.AGREED, {}, {}),
        (PHONE, "030 99", "030 1", "+49 30 1", "+49 30 1", Finding.AMEISE_CHANGED, {}, {"z": "030 99"}),
        (EMAIL, "Anna@B.de", NO_BASE, "anna@b.de", NO_BASE, Finding.AGREED, {}, {}),
        # a person is asked: both sides stay
        (ASKS, "von A", "alt", "von Z", "alt", Finding.ASKED, {}, {}),
        (ASKS, "neu", "alt", "alt", "alt", Finding.AMEISE_CHANGED, {}, {"z": "neu"}),
        # one way to Ameise
        (TO_AMEISE, "v", "v", "neu", "v", Finding.ZOHO_CHANGED, {"a": "neu"}, {}),
        (TO_AMEISE, "neu", "v", "v", "v", Finding.UNCHANGED, {}, {}),
        (TO_AMEISE, "v", "v", UNKNOWN, "v", Finding.UNKNOWN, {}, {}),
        # a lookup points to the linked record, or nowhere
        (LOOKUP, "5001", NO_BASE, None, NO_BASE, Finding.AMEISE_CHANGED, {}, {"z": "900"}),
        (LOOKUP, "5002", "5001", "900", "900", Finding.AMEISE_CHANGED, {}, {"z": None}),
    ],
)  # fmt: skip
def test_what_is_written_where(
    mapping: FieldMapping,
    ameise: Value,
    ameise_base: object,
    zoho: Value,
    zoho_base: object,
    finding: Finding,
    to_ameise: dict[str, Known],
    to_zoho: dict[str, Known],
) -> None:
    merged = merged_of(mapping, ameise=ameise, zoho=zoho, ameise_base=ameise_base, zoho_base=zoho_base)
    assert (merged.findings["a"], merged.to_ameise, merged.to_zoho) == (finding, to_ameise, to_zoho)


def test_the_policy_decides_a_conflict_and_it_is_named() -> None:
    merged = merged_of(
        TEXT, ameise="von A", zoho="von Z", ameise_base="alt", zoho_base="alt", policy=Policy.ZOHO
    )
    assert (merged.to_ameise, merged.to_zoho, merged.conflicts) == ({"a": "von Z"}, {}, ("a",))


@pytest.mark.parametrize(
    ("ameise", "zoho", "decision", "finding", "to_ameise", "to_zoho"),
    [
        ("von A", "von Z", None, Finding.STILL_ASKED, {}, {}),
        ("gleich", "gleich", None, Finding.AGREED, {}, {}),
        ("von A", "von Z", Policy.AMEISE, Finding.AMEISE_CHANGED, {}, {"z": "von A"}),
        ("von A", "von Z", Policy.ZOHO, Finding.ZOHO_CHANGED, {"a": "von Z"}, {}),
        (UNKNOWN, "von Z", Policy.ZOHO, Finding.UNKNOWN, {}, {}),
        # emptied since: the decision does not erase
        (None, "von Z", Policy.AMEISE, Finding.KEPT, {}, {}),
        # what was chosen may have been edited since, also to what is the same
        ("neu von A", "von Z", Policy.AMEISE, Finding.AMEISE_CHANGED, {}, {"z": "neu von A"}),
        ("von A", "neu von Z", Policy.ZOHO, Finding.ZOHO_CHANGED, {"a": "neu von Z"}, {}),
        # and what was not chosen may have been emptied
        ("von A", None, Policy.AMEISE, Finding.AMEISE_CHANGED, {}, {"z": "von A"}),
    ],
)
def test_what_a_person_is_asked_waits_for_the_answer(
    ameise: Value,
    zoho: Value,
    decision: Policy | None,
    finding: Finding,
    to_ameise: dict[str, Known],
    to_zoho: dict[str, Known],
) -> None:
    merged = merged_of(
        ASKS,
        ameise=ameise,
        zoho=zoho,
        ameise_base="alt",
        zoho_base="alt",
        asked={"a": Asked("von A", "von Z", decision)},
    )
    assert (merged.findings["a"], merged.to_ameise, merged.to_zoho) == (finding, to_ameise, to_zoho)
    assert merged.conflicts == ()  # it was told when it was asked


@pytest.mark.parametrize(
    ("ameise", "zoho", "winner"),
    [("von A", "neu von Z", Policy.AMEISE), ("neu von A", "von Z", Policy.ZOHO)],
)
def test_what_nobody_saw_when_he_decided_is_asked_about_anew(
    ameise: Known, zoho: Known, winner: Policy
) -> None:
    asked = {"a": Asked("von A", "von Z", winner)}
    merged = merged_of(ASKS, ameise=ameise, zoho=zoho, ameise_base="alt", zoho_base="alt", asked=asked)
    assert (merged.findings["a"], merged.to_ameise, merged.to_zoho) == (Finding.ASKED, {}, {})
    assert merged.conflicts == ("a",)


@pytest.mark.parametrize(
    ("ameise", "zoho", "winner"), [("von A", None, Policy.AMEISE), (None, "von Z", Policy.ZOHO)]
)
@pytest.mark.parametrize("blank", list(Blank))
def test_what_was_emptied_since_is_asked_about_anew_where_empty_counts(
    ameise: Known, zoho: Known, winner: Policy, blank: Blank
) -> None:
    mapping = FieldMapping(ameise="a", zoho="z", policy=Policy.ASK, blank=blank)
    asked = {"a": Asked("von A", "von Z", winner)}
    merged = merged_of(mapping, ameise=ameise, zoho=zoho, ameise_base="alt", zoho_base="alt", asked=asked)
    assert (merged.findings["a"] is Finding.ASKED) is (blank is Blank.ERASE)


def test_a_phone_number_that_is_only_written_otherwise_is_what_was_decided_about() -> None:
    phone = FieldMapping(ameise="a", zoho="z", converter=Converter.PHONE, policy=Policy.ASK)
    asked = {"a": Asked("030 1", "+49 30 2", Policy.AMEISE)}
    merged = merged_of(phone, ameise="030 1", zoho="030 2", ameise_base="x", zoho_base="x", asked=asked)
    assert merged.to_zoho == {"z": "030 1"}


def test_the_field_policy_goes_before_that_of_the_pipeline() -> None:
    ours = FieldMapping(ameise="a", zoho="z", policy=Policy.ZOHO)
    merged = merged_of(ours, ameise="von A", zoho="von Z", ameise_base="alt", zoho_base="alt")
    assert merged.to_ameise == {"a": "von Z"}


def test_a_value_that_stands_for_two_is_refused_and_not_guessed() -> None:
    with pytest.raises(CannotConvert, match="mehrere Werte"):
        merged_of(TWO_TO_ONE, ameise="h", zoho="Sonstige", ameise_base="h", zoho_base="Herr")


@pytest.mark.parametrize("new_record", [True, False])
def test_a_new_record_needs_its_required_fields(*, new_record: bool) -> None:
    def merged() -> Merged:
        return merge(
            [FieldMapping(ameise="a", zoho="z", required=True)], ameise={"a": None}, zoho={"z": None},
            ameise_base=None, zoho_base=None, policy=Policy.AMEISE, conversion=CONVERSION,
            new_record=new_record,
        )  # fmt: skip

    if new_record:
        with pytest.raises(CannotConvert, match="z: Pflichtfeld"):
            merged()
    else:
        assert merged().to_zoho == {}


def test_a_value_that_does_not_fit_is_refused_without_being_quoted() -> None:
    short = FieldMapping(ameise="vorname", zoho="First_Name", max_length=5)
    with pytest.raises(CannotConvert, match="vorname: 9 Zeichen, First_Name fasst 5") as caught:
        merge(
            [short], ameise={"vorname": "Friederike"[:9]}, zoho={"First_Name": None}, ameise_base=None,
            zoho_base=None, policy=Policy.AMEISE, conversion=CONVERSION,
        )  # fmt: skip
    assert "Fried" not in str(caught.value)


KNOWN: st.SearchStrategy[Known] = st.sampled_from([None, "x", "y", "h", "Sonstige", "Herr", "frei"])
VALUE: st.SearchStrategy[Value] = KNOWN | st.just(UNKNOWN)
BASE = KNOWN | st.just(NO_BASE)
MAPPING = st.sampled_from([TEXT, ERASES, FILLS, PHONE, ASKS, TO_ZOHO, TO_AMEISE, FILLS_AMEISE, TWO_TO_ONE])
POLICY = st.sampled_from(list(Policy))


@given(MAPPING, VALUE, VALUE, BASE, BASE, POLICY)
def test_unknown_never_changes_anything(
    mapping: FieldMapping, a: Value, z: Value, a_base: object, z_base: object, policy: Policy
) -> None:
    merged = merged_if_it_can_be(
        mapping, ameise=a, zoho=z, ameise_base=a_base, zoho_base=z_base, policy=policy
    )
    if a is UNKNOWN:
        assert not merged.to_zoho
        assert not merged.to_ameise or mapping.way is Way.TO_AMEISE
    if z is UNKNOWN:
        assert not merged.to_ameise
        assert not merged.to_zoho


@given(MAPPING, VALUE, VALUE, BASE, BASE, POLICY)
def test_empty_never_erases_unless_told(
    mapping: FieldMapping, a: Value, z: Value, a_base: object, z_base: object, policy: Policy
) -> None:
    merged = merged_if_it_can_be(
        mapping, ameise=a, zoho=z, ameise_base=a_base, zoho_base=z_base, policy=policy
    )
    if mapping.blank is not Blank.ERASE:
        assert None not in [*merged.to_zoho.values(), *merged.to_ameise.values()]


def _as_kept(value: Known) -> Known:
    """Both sides normalise what they are sent."""
    return value.upper() if isinstance(value, str) else value


@pytest.mark.parametrize("keep", [lambda value: value, _as_kept], ids=["as sent", "normalised"])
@given(mapping=MAPPING, a=VALUE, z=VALUE, a_base=BASE, z_base=BASE, policy=POLICY)
def test_a_second_merge_with_the_new_bases_finds_nothing_to_do(
    keep: Callable[[Known], Known],
    mapping: FieldMapping,
    a: Value,
    z: Value,
    a_base: object,
    z_base: object,
    policy: Policy,
) -> None:
    first = merged_if_it_can_be(
        mapping, ameise=a, zoho=z, ameise_base=a_base, zoho_base=z_base, policy=policy
    )
    a_now = {"a": a} | {name: keep(value) for name, value in first.to_ameise.items()}
    z_now = {"z": z} | {name: keep(value) for name, value in first.to_zoho.items()}
    new_a, new_z = bases_after(
        [mapping], first, ameise={"a": a}, zoho={"z": z}, ameise_read_back=a_now, zoho_read_back=z_now
    )
    second = merged_if_it_can_be(
        mapping, ameise=a_now["a"], zoho=z_now["z"], ameise_base=new_a.get("a", a_base),
        zoho_base=new_z.get("z", z_base), policy=policy,
    )  # fmt: skip
    assert not second.to_ameise
    assert not second.to_zoho


@given(MAPPING, KNOWN, KNOWN, BASE, BASE, POLICY)
def test_a_change_that_was_not_written_is_found_again(
    mapping: FieldMapping, a: Known, z: Known, a_base: object, z_base: object, policy: Policy
) -> None:
    first = merged_if_it_can_be(
        mapping, ameise=a, zoho=z, ameise_base=a_base, zoho_base=z_base, policy=policy
    )
    new_a, new_z = bases_after(
        [mapping], first, ameise={"a": a}, zoho={"z": z}, ameise_read_back={}, zoho_read_back={}
    )
    second = merged_if_it_can_be(
        mapping, ameise=a, zoho=z, ameise_base=new_a.get("a", a_base), zoho_base=new_z.get("z", z_base),
        policy=policy,
    )  # fmt: skip
    assert (second.to_ameise, second.to_zoho) == (first.to_ameise, first.to_zoho)


def test_an_edit_made_since_the_merge_is_still_a_change() -> None:
    merged = merged_of(TEXT, ameise="neu", zoho="alt", ameise_base="alt", zoho_base="alt")
    a_base, z_base = bases_after(
        [TEXT],
        merged,
        ameise={"a": "neu"},
        zoho={"z": "alt"},
        ameise_read_back={},
        zoho_read_back={"z": "neu"},
    )
    assert (a_base, z_base) == ({"a": "neu"}, {"z": "neu"})
    later = merged_of(TEXT, ameise="neu", zoho="danach", ameise_base="neu", zoho_base="neu")
    assert later.to_ameise == {"a": "danach"}


@given(st.sampled_from(["x", "y", "h", "fremd", None]), KNOWN, BASE, BASE, POLICY)
def test_two_keys_of_one_value_are_never_written_back(
    a: Known, z: Known, a_base: object, z_base: object, policy: Policy
) -> None:
    merged = merged_if_it_can_be(
        TWO_TO_ONE, ameise=a, zoho=z, ameise_base=a_base, zoho_base=z_base, policy=policy
    )
    assert merged.to_ameise.get("a") not in {"x", "y", "Sonstige"} or z in {"x", "y"}


@given(VALUE, VALUE, BASE, BASE)
def test_while_a_person_is_asked_nothing_is_written(
    a: Value, z: Value, a_base: object, z_base: object
) -> None:
    merged = merged_of(
        ASKS, ameise=a, zoho=z, ameise_base=a_base, zoho_base=z_base, asked={"a": Asked("x", "y")}
    )
    assert (merged.to_ameise, merged.to_zoho) == ({}, {})
