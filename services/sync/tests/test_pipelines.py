"""Which objects travel, and what the built-in pipelines are made of."""

from typing import Any

import pytest

from sync.mapping import Converter, Way
from sync.pipelines import Definition, includes
from sync.templates import BUILT_IN, JURISTISCHE_PERSON, NATUERLICHE_PERSON


@pytest.mark.parametrize(
    ("fields", "natural", "legal"),
    [
        ({"juristische_person": False}, True, False),
        ({"juristische_person": True}, False, True),
        ({}, None, None),
        ({"juristische_person": None}, False, False),
    ],
)
def test_natural_persons_are_contacts_and_legal_ones_accounts(
    fields: dict[str, Any], natural: bool | None, legal: bool | None
) -> None:
    assert includes(NATUERLICHE_PERSON, fields) is natural
    assert includes(JURISTISCHE_PERSON, fields) is legal


@pytest.mark.parametrize("built_in", BUILT_IN, ids=lambda built_in: built_in.module)
def test_a_built_in_pipeline_is_sound(built_in: Any) -> None:
    definition: Definition = built_in.definition
    names = [m.ameise for m in definition.fields]
    assert len(set(names)) == len(names)
    assert len({m.zoho for m in definition.fields}) == len(names)
    assert definition.unique_field in {m.zoho for m in definition.fields if m.way is Way.TO_ZOHO}
    assert len(definition.zoho_fields) <= 50  # one call reads them
    lookups = [m for m in definition.fields if m.converter is Converter.LOOKUP]
    assert all(m.module in {"Contacts", "Accounts"} for m in lookups)


def test_the_version_changes_with_the_definition_only() -> None:
    again = Definition.model_validate(NATUERLICHE_PERSON.model_dump(mode="json"))
    assert again.version == NATUERLICHE_PERSON.version
    changed = again.model_copy(update={"fields": again.fields[:-1]})
    assert changed.version != again.version
