"""What the people of an org changed about its modules: fields that went or are of another kind, modules that
are gone. Every org begins with `schema.MODULES` as they are."""

from dataclasses import replace

from pydantic import BaseModel, ConfigDict

from sandbox.state import Store
from sandbox.zoho.orgs import Org
from sandbox.zoho.schema import MODULES, Field, Module

KIND = "customising"


class FieldChange(BaseModel):
    """How a field differs from the schema; what is None stays."""

    model_config = ConfigDict(extra="forbid")

    gone: bool = False
    data_type: str | None = None
    length: int | None = None
    mandatory: bool | None = None
    values: tuple[str, ...] | None = None
    lookup: str | None = None


class ModuleChange(BaseModel):
    """All that is different in one module."""

    model_config = ConfigDict(extra="forbid")

    gone: bool = False
    fields: dict[str, FieldChange] = {}


def change_module(store: Store, org: Org, name: str, change: ModuleChange) -> None:
    """From now on the org's module differs by this, and by nothing else."""
    store.put(org.world, KIND, name, change.model_dump(mode="json"))


def module_of(store: Store, org: Org, name: str) -> Module | None:
    """A module as the org has it; None if there is none."""
    module = MODULES.get(name)
    stored = store.get(org.world, KIND, name) if module is not None else None
    if module is None or stored is None:
        return module
    change = ModuleChange.model_validate(stored.data)
    fields = tuple(changed for field in module.fields if (changed := _changed(field, change)) is not None)
    return None if change.gone else replace(module, fields=fields)


def modules_of(store: Store, org: Org) -> list[Module]:
    """The modules that the org has."""
    return [module for name in MODULES if (module := module_of(store, org, name)) is not None]


def _changed(field: Field, change: ModuleChange) -> Field | None:
    found = change.fields.get(field.api_name)
    if found is None:
        return field
    if found.gone:
        return None
    return replace(field, **found.model_dump(exclude={"gone"}, exclude_none=True))
