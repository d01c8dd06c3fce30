"""What a pipeline is, and the ones that are built in.

A `Definition` is data: the rule that says which objects travel, and the fields. The built-in ones fit the
fields that `docs/handbuch` asks an admin to create in Zoho.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from contracts.ids import PipelineId, TenantId, Uuid
from contracts.names import Table
from contracts.rpc.pipeline_switches import MatchWeights, SimplrMessages
from sync.mapping import Converter, FieldMapping, Way
from sync.merge import Policy
from sync.values import UNKNOWN, Value, canonical


class Definition(BaseModel):
    """What an admin decides about a pipeline.

    `only_if`: Ameise field → value that an object must have to travel. `unique_field`: Zoho's unique field
    that holds the object's key. `new_kunde`: Ameise fields of a new Kunde where the record leaves them blank.
    `simplr`: what Ameise writes to a new Kunde. `matching`: when somebody counts as a Kunde already.
    """

    model_config = ConfigDict(frozen=True)

    only_if: Mapping[str, bool | str] = Field(default_factory=dict[str, bool | str])
    unique_field: str
    new_kunde: Mapping[str, str] = Field(default_factory=dict[str, str])
    simplr: SimplrMessages = SimplrMessages()
    matching: MatchWeights = MatchWeights()
    takes_webhooks: bool
    policy: Policy = Policy.AMEISE
    fields: tuple[FieldMapping, ...]

    @property
    def version(self) -> str:
        """Changes whenever the definition does."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    @property
    def zoho_fields(self) -> list[str]:
        """The record's fields that must be read: the mapped ones, the unique one, who changed it when."""
        always = [self.unique_field, "Modified_Time", "Modified_By"]
        return list(dict.fromkeys([*always, *(m.zoho for m in self.fields)]))


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A pipeline as the workers use it; `version` is that of its definition."""

    tenant: TenantId
    id: PipelineId
    name: str
    table: Table
    module: str
    ameise_connection: Uuid
    zoho_connection: Uuid
    enabled: bool
    version: str
    definition: Definition


def includes(definition: Definition, fields: Mapping[str, Any]) -> bool | None:
    """Whether the rule lets an object travel; None if a value that decides it is unknown."""
    for name, wanted in definition.only_if.items():
        value: Value = canonical(fields[name]) if name in fields else UNKNOWN
        if value is UNKNOWN:
            return None
        if value != wanted:
            return False
    return True


def _both(ameise: str, zoho: str, **more: Any) -> FieldMapping:
    return FieldMapping(ameise=ameise, zoho=zoho, **more)


def _to_zoho(ameise: str, zoho: str, converter: Converter = Converter.TEXT, **more: Any) -> FieldMapping:
    return FieldMapping(ameise=ameise, zoho=zoho, way=Way.TO_ZOHO, converter=converter, **more)


LAENDER = {"DE": "Deutschland", "AT": "Österreich", "CH": "Schweiz"}
ANREDEN = {"1": "Herr", "2": "Frau", "4": "Divers"}

_OF_EVERY_KUNDE = (
    _to_zoho("ameise_id", "Kundennummer"),
    _to_zoho("benutzername_simplr", "simplr_Benutzername"),
    _to_zoho("vermittler_id", "Vermittlernummer"),
)

NATUERLICHE_PERSON = Definition(
    only_if={"juristische_person": False},
    unique_field="Kundennummer",
    new_kunde={"land_id": "DE"},
    takes_webhooks=True,
    fields=(
        *_OF_EVERY_KUNDE,
        _to_zoho("deep_link", "Ameise_Link", Converter.KUNDE_LINK),
        _both("anrede_id", "Salutation", converter=Converter.VALUES, values=ANREDEN),
        _both("titel", "Titel"),
        _both("vorname", "First_Name", max_length=40),
        _both("nachname", "Last_Name", max_length=80),
        _both("geburtsdatum", "Date_of_Birth", converter=Converter.DATE),
        _both("beruf", "Beruf"),
        _both("strasse", "Mailing_Street"),
        _both("plz", "Mailing_Zip"),
        _both("ort", "Mailing_City"),
        _both("land_id", "Mailing_Country", converter=Converter.VALUES, values=LAENDER),
        _both("email", "Email", max_length=100),
        _both("telefon", "Phone"),
        _both("mobil", "Mobile"),
        _both("fax", "Fax"),
    ),
)

JURISTISCHE_PERSON = Definition(
    only_if={"juristische_person": True},
    unique_field="Kundennummer",
    new_kunde={"anrede_id": "3", "land_id": "DE"},
    takes_webhooks=True,
    fields=(
        *_OF_EVERY_KUNDE,
        _to_zoho("deep_link", "Ameise_Link", Converter.KUNDE_LINK),
        _both("nachname", "Account_Name"),
        _both("vorname", "Ansprechpartner"),
        _both("geburtsdatum", "Gruendungsdatum", converter=Converter.DATE),
        _both("beruf", "Branche"),
        _to_zoho("rechtsform", "Rechtsform"),
        _both("strasse", "Billing_Street"),
        _both("plz", "Billing_Code"),
        _both("ort", "Billing_City"),
        _both("land_id", "Billing_Country", converter=Converter.VALUES, values=LAENDER),
        _both("email", "E_Mail", max_length=100),
        _both("telefon", "Phone"),
        _both("fax", "Fax"),
        _both("website", "Website"),
    ),
)

VERTRAG = Definition(
    unique_field="Vertragsnummer",
    takes_webhooks=False,  # Ameise documents no call that changes a Vertrag
    fields=(
        _to_zoho("ameise_id", "Vertragsnummer"),
        _to_zoho("name", "Name"),
        _to_zoho("deep_link", "Ameise_Link", Converter.VERTRAG_LINK),
        _to_zoho("kunde_id", "Kunde", Converter.LOOKUP, module="Contacts"),
        _to_zoho("kunde_id_firma", "Firma", Converter.LOOKUP, module="Accounts"),
        _to_zoho("versicherungsscheinnummer", "Versicherungsscheinnummer"),
        _to_zoho("sparte", "Sparte"),
        _to_zoho("gesellschaft", "Gesellschaft"),
        _to_zoho("status", "Status"),
        _to_zoho("zahlweise", "Zahlweise"),
        _to_zoho("risiko", "Risiko"),
        _to_zoho("beitrag_netto", "Beitrag_netto", Converter.AMOUNT, erase=True),
        _to_zoho("beginn", "Beginn", Converter.DATE),
        _to_zoho("ablauf", "Ablauf", Converter.DATE, erase=True),
    ),
)


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """A ready pipeline."""

    name: str
    table: Table
    module: str
    definition: Definition


BUILT_IN = (
    BuiltIn("Kunde (natürliche Person)", Table.KUNDE, "Contacts", NATUERLICHE_PERSON),
    BuiltIn("Kunde (juristische Person)", Table.KUNDE, "Accounts", JURISTISCHE_PERSON),
    BuiltIn("Vertrag", Table.VERTRAG, "Vertraege", VERTRAG),
)


def with_derived_fields(table: Table, key: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The object's fields and those that only pipelines know: the deep link's key, a Vertrag's name."""
    derived: dict[str, Any] = dict(fields)
    derived["deep_link"] = key
    if table is Table.VERTRAG:
        if "kunde_id" in fields:
            derived["kunde_id_firma"] = fields["kunde_id"]
        if "sparte" in fields:
            derived["name"] = f"{fields['sparte'] or 'Vertrag'} {key}"
    return derived
