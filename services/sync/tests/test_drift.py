"""What of a mapping no longer fits what Zoho says: found field by field, and only where Zoho says so."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.rpc.pipeline_definition import Converter, FieldMapping, Way
from contracts.rpc.sync_drift import DriftFinding, DriftKind
from sync.drift import KNOWN_TYPES, Drift, ModuleMetadata, drift_of, in_words, turn
from sync.pipelines import Definition
from zoho.models import FieldMeta, Layout

KEY = FieldMapping(ameise="ameise_id", zoho="Kundennummer", way=Way.TO_ZOHO)


def definition(*fields: FieldMapping, **more: Any) -> Definition:
    return Definition(unique_field="Kundennummer", fields=(KEY, *fields), **more)


def field(name: str, data_type: str | None = "text", **more: Any) -> FieldMeta:
    return FieldMeta(api_name=name, data_type=data_type, **more)


def picklist(name: str, *values: str) -> FieldMeta:
    return field(name, "picklist", pick_list_values=[{"actual_value": value} for value in values])


def metadata(
    *fields: FieldMeta, layouts: tuple[Layout, ...] = (), users: frozenset[str] | None = frozenset()
) -> ModuleMetadata:
    there = (field("Kundennummer", length=20), *fields)
    return ModuleMetadata({one.api_name or "": one for one in there}, layouts, users)


def layout(id_: str, *required: str) -> Layout:
    fields = [{"api_name": name, "required": True} for name in required]
    return Layout.model_validate({"id": id_, "sections": [{"fields": fields}]})


def found(mapping: FieldMapping, *fields: FieldMeta, **more: Any) -> tuple[DriftFinding, ...]:
    return drift_of(definition(mapping, **more), "Contacts", metadata(*fields))


def both(ameise: str, zoho: str, converter: Converter = Converter.TEXT, **more: Any) -> FieldMapping:
    return FieldMapping(ameise=ameise, zoho=zoho, converter=converter, **more)


def test_a_vanished_field_is_left_out_and_nothing_else() -> None:
    [gone] = found(both("titel", "Titel"))
    assert (gone.kind, gone.field, gone.ameise, gone.blocks) == (
        DriftKind.FIELD_GONE,
        "Titel",
        "titel",
        False,
    )
    assert in_words(gone) == "Titel gibt es in Zoho nicht mehr"
    drift = Drift((gone,))
    assert (drift.left_out, drift.gone, drift.blocked) == ({"Titel"}, {"Titel"}, None)


def test_without_the_field_of_the_key_or_the_module_nothing_can_be_written() -> None:
    [gone] = drift_of(definition(), "Contacts", ModuleMetadata({"Other": field("Other")}))
    assert Drift((gone,)).blocked == "Kundennummer gibt es in Zoho nicht mehr"
    [module] = drift_of(definition(both("titel", "Titel")), "Contacts", ModuleMetadata(None))
    assert module.kind is DriftKind.MODULE_GONE
    assert Drift((module,)).blocked == "das Modul Contacts gibt es in Zoho nicht mehr"


def test_users_who_cannot_sign_in_are_held_back_and_if_nobody_may_see_them_it_is_said() -> None:
    owner = both("vermittler_id", "Owner", Converter.USER, values={"1": "77", "2": "78"}, default="79")
    there = metadata(field("Owner", "ownerlookup"), users=frozenset({"77", "79"}))
    [left] = drift_of(definition(owner), "Contacts", there)
    assert in_words(left) == "Owner ist Benutzern zugeordnet, die es in Zoho nicht (mehr) gibt: 78"
    drift = Drift((left,))
    assert (drift.refuses("Owner", "78"), drift.refuses("Owner", "77"), drift.left_out) == (
        True,
        False,
        set(),
    )

    unseen = metadata(field("Owner", "ownerlookup"), users=None)
    [said] = drift_of(definition(owner), "Contacts", unseen)
    assert said.kind is DriftKind.USERS_UNSEEN
    assert "ZohoCRM.users.READ" in said.words
    assert not Drift((said,)).refuses("Owner", "77")
    assert (
        drift_of(definition(both("titel", "Titel")), "Contacts", metadata(field("Titel"), users=None)) == ()
    )


@pytest.mark.parametrize(
    ("converter", "type_", "fits"),
    [
        (Converter.TEXT, "text", True),
        (Converter.TEXT, "picklist", True),
        (Converter.TEXT, "integer", False),
        (Converter.NUMBER, "currency", True),
        (Converter.NUMBER, "text", False),
        (Converter.DATE, "date", True),
        (Converter.DATE, "datetime", False),
        (Converter.BOOLEAN, "picklist", False),
        (Converter.PHONE, "text", True),
        (Converter.EMAIL, "phone", False),
        (Converter.PICKLIST, "multiselectpicklist", False),
        (Converter.TEXT, "formula", False),
        (Converter.TEXT, "something_new", True),
        (Converter.TEXT, None, True),
    ],
)
def test_a_converter_fits_some_types(converter: Converter, type_: str | None, fits: bool) -> None:
    mapping = both("a", "A", converter, default="x" if converter is Converter.PICKLIST else None)
    kinds = [one.kind for one in found(mapping, field("A", type_))]
    assert kinds == ([] if fits else [DriftKind.TYPE_CHANGED])


def test_what_zoho_calculates_can_still_be_read() -> None:
    assert found(both("a", "A", way=Way.TO_AMEISE), field("A", "formula")) == ()


def test_a_lookup_must_point_where_the_mapping_does() -> None:
    mapping = both("kunde_id", "Kunde", Converter.LOOKUP, way=Way.TO_ZOHO, module="Contacts")
    [moved] = found(mapping, field("Kunde", "lookup", lookup={"module": {"api_name": "Leads"}}))
    assert moved.words == "verweist in Zoho jetzt auf Leads statt auf Contacts"
    assert found(mapping, field("Kunde", "lookup", lookup={"module": {"api_name": "Contacts"}})) == ()
    assert found(mapping, field("Kunde", "lookup", lookup={})) == ()


def test_only_values_that_the_picklist_lacks_are_refused() -> None:
    mapping = both("anrede_id", "Salutation", Converter.PICKLIST, values={"1": "Herr", "4": "Divers"})
    [unknown] = found(mapping, picklist("Salutation", "Herr", "Frau"))
    assert (unknown.kind, unknown.values) == (DriftKind.VALUE_UNKNOWN, ("Divers",))
    drift = Drift((unknown,))
    assert drift.left_out == frozenset()
    assert (drift.refuses("Salutation", "Divers"), drift.refuses("Salutation", "Herr")) == (True, False)
    assert found(mapping, picklist("Salutation")) == ()


def test_only_values_that_are_too_long_are_refused() -> None:
    [short] = found(both("ort", "Ort", max_length=80), field("Ort", length=40))
    assert (short.kind, short.length) == (DriftKind.TOO_SHORT, 40)
    drift = Drift((short,))
    assert (drift.refuses("Ort", "x" * 41), drift.refuses("Ort", "x" * 40)) == (True, False)
    assert found(both("ort", "Ort", max_length=40), field("Ort", length=40)) == ()
    assert found(both("ort", "Ort"), field("Ort", length=40)) == ()


def test_a_field_that_zoho_demands_must_be_mapped() -> None:
    demanded = field("Last_Name", system_mandatory=True)
    [missing] = found(both("ort", "Ort"), field("Ort"), demanded)
    assert (missing.kind, missing.field) == (DriftKind.REQUIRED, "Last_Name")
    assert found(both("nachname", "Last_Name"), demanded) == ()
    assert found(both("ort", "Ort", way=Way.TO_AMEISE), field("Ort"), demanded, direction=Way.TO_AMEISE) == ()


@pytest.mark.parametrize(
    ("mapping", "words"),
    [
        (both("titel", "Beruf"), "titel kann aber leer sein"),
        (both("titel", "Beruf", required=True), None),
        (both("titel", "Beruf", way=Way.TO_AMEISE), "geht nur nach Ameise"),
        (both("nachname", "Beruf"), None),
        (
            FieldMapping(
                ameise="x", zoho="Beruf", way=Way.TO_ZOHO, converter=Converter.CONSTANT, constant="c"
            ),
            None,
        ),
        (
            FieldMapping(
                ameise="x", zoho="Beruf", way=Way.TO_ZOHO, converter=Converter.JOIN, parts=("sparte", "key")
            ),
            None,
        ),
        (
            FieldMapping(
                ameise="x", zoho="Beruf", way=Way.TO_ZOHO, converter=Converter.JOIN, parts=("a", "b")
            ),
            "x kann aber leer sein",
        ),
    ],
)
def test_what_is_demanded_must_not_come_empty(mapping: FieldMapping, words: str | None) -> None:
    findings = found(mapping, field("Beruf", system_mandatory=True))
    assert [one.kind for one in findings] == ([DriftKind.REQUIRED] if words else [])
    assert words is None or words in findings[0].words


def test_a_lookup_that_is_demanded_may_have_no_record_yet() -> None:
    mapping = FieldMapping(
        ameise="kunde_id", zoho="Kunde", way=Way.TO_ZOHO, converter=Converter.LOOKUP, module="Contacts"
    )
    [finding] = found(mapping, field("Kunde", "lookup", system_mandatory=True))
    assert "kunde_id kann aber leer sein" in finding.words


def test_what_is_demanded_is_said_by_the_chosen_layout_or_by_all() -> None:
    seen = metadata(layouts=(layout("1", "Ort", "Beruf"), layout("2", "Ort")))
    by_all = drift_of(definition(), "Contacts", seen)
    by_first = drift_of(definition(layout="1"), "Contacts", seen)
    assert [one.field for one in by_all] == ["Ort"]
    assert [one.field for one in by_first] == ["Beruf", "Ort"]
    [gone, *_] = drift_of(definition(layout="3"), "Contacts", seen)
    assert gone.kind is DriftKind.LAYOUT_GONE


def test_fields_of_the_rule_and_of_the_mark_are_used_too() -> None:
    rule = {"field": "Beruf", "compare": "is_known"}
    used = Definition.model_validate(
        {"unique_field": "Kundennummer", "fields": [KEY.model_dump()], "zoho_rule": rule,
         "vanished": {"field": "Status", "gone": "entfallen"}}
    )  # fmt: skip
    kinds = [(one.kind, one.field) for one in drift_of(used, "Contacts", metadata())]
    assert kinds == [(DriftKind.FIELD_GONE, "Beruf"), (DriftKind.FIELD_GONE, "Status")]


def test_what_is_new_is_told_once_and_what_healed_is_said() -> None:
    [titel] = found(both("titel", "Titel"))
    [ort] = found(both("ort", "Ort"))
    assert turn((), (titel,)).news == (titel,)
    more = turn((titel,), (titel, ort))
    assert (more.news, more.healed, more.fits_again) == ((ort,), (), False)
    less = turn((titel, ort), (ort,))
    assert (less.news, less.healed, less.fits_again) == ((), (titel,), False)
    assert turn((ort,), ()).fits_again
    assert not turn((), ()).fits_again


def test_what_only_shrank_is_not_told_again_and_what_it_freed_is_made_up_for() -> None:
    mapping = both("anrede_id", "Salutation", Converter.PICKLIST, values={"1": "Herr", "4": "Divers"})
    [two] = found(mapping, picklist("Salutation", "Frau"))
    [one] = found(mapping, picklist("Salutation", "Frau", "Herr"))
    less, more = turn((two,), (one,)), turn((one,), (two,))
    assert (less.news, less.healed) == ((), (two,))
    assert (more.news, more.healed) == ((two,), ())
    ort = both("ort", "Ort", max_length=80)
    [forty], [thirty] = found(ort, field("Ort", length=40)), found(ort, field("Ort", length=30))
    assert (turn((forty,), (thirty,)).news, turn((thirty,), (forty,)).news) == ((thirty,), ())
    assert turn((thirty,), (forty,)).healed == (thirty,)


NAMES = st.sampled_from(["Aa", "Bb", "Cc", "Dd"])
CONVERTERS = st.sampled_from([Converter.TEXT, Converter.NUMBER, Converter.DATE, Converter.PHONE])
METAS = st.builds(
    field,
    NAMES,
    st.sampled_from([*sorted(KNOWN_TYPES), "new_type"]) | st.none(),
    length=st.integers(1, 300) | st.none(),
    system_mandatory=st.booleans() | st.none(),
)
MAPPINGS = st.lists(
    st.builds(
        lambda name, converter, way, most: FieldMapping(
            ameise=name.lower(), zoho=name, converter=converter, way=way, max_length=most
        ),
        NAMES,
        CONVERTERS,
        st.sampled_from(list(Way)),
        st.integers(1, 300) | st.none(),
    ),
    unique_by=lambda mapping: mapping.zoho,
    max_size=4,
)


@given(mappings=MAPPINGS, metas=st.lists(METAS, unique_by=lambda meta: meta.api_name))
def test_every_finding_is_about_a_field_that_really_does_not_fit(
    mappings: list[FieldMapping], metas: list[FieldMeta]
) -> None:
    of = definition(*mappings)
    seen = metadata(*metas)
    findings = drift_of(of, "Contacts", seen)
    assert findings == drift_of(of, "Contacts", seen)
    fields = seen.fields or {}
    mapped = {m.zoho: m for m in of.fields}
    drift = Drift(findings)
    # Exactly the mapped fields that Zoho lacks are gone, and what is gone is never written.
    assert drift.gone == {name for name in mapped if name not in fields}
    assert drift.gone <= drift.left_out <= set(mapped)
    for one in findings:
        assert one.field is not None
        match one.kind:
            case DriftKind.REQUIRED:
                written = one.field in mapped and mapped[one.field].way is not Way.TO_AMEISE
                assert fields[one.field].system_mandatory
                assert not written or not mapped[one.field].required
            case DriftKind.TOO_SHORT:
                length, most = fields[one.field].length, mapped[one.field].max_length
                assert length is not None
                assert most is not None
                assert length < most
            case DriftKind.TYPE_CHANGED:
                assert fields[one.field].data_type in KNOWN_TYPES
            case _:
                assert one.kind is DriftKind.FIELD_GONE
    # Whatever is said is true after a second look too: what is taken out of the mapping is found no more.
    rest = [m for m in mappings if m.zoho not in {one.field for one in findings}]
    again = drift_of(definition(*rest), "Contacts", seen)
    assert {one.kind for one in again} <= {DriftKind.REQUIRED}
