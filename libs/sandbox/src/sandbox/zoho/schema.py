"""Modules and fields that every org of the stand-in has, and their metadata as `/settings/fields` shows it.

`json_type` and `length` may be null in Zoho's answers; here lookups have no length.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

JSON_TYPES = {
    "currency": "double",
    "double": "double",
    "integer": "integer",
    "boolean": "boolean",
    "lookup": "jsonobject",
    "ownerlookup": "jsonobject",
}
LENGTHS = {
    "text": 255,
    "email": 100,
    "phone": 30,
    "website": 450,
    "picklist": 120,
    "currency": 16,
    "date": 20,
}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a module."""

    api_name: str
    data_type: str = "text"
    label: str = ""
    length: int | None = None
    mandatory: bool = False
    unique: bool = False
    custom: bool = False
    read_only: bool = False
    values: tuple[str, ...] = ()
    """Of a picklist."""
    lookup: str = ""
    """The module that a lookup points into."""

    @property
    def maximum_length(self) -> int | None:
        """Longest value in characters, None where Zoho has no limit."""
        return self.length or LENGTHS.get(self.data_type)


@dataclass(frozen=True)
class Module:
    """One module: its system duplicate field decides an upsert that names no `duplicate_check_fields`."""

    api_name: str
    singular: str
    number: int
    name_field: str
    duplicate_field: str
    fields: tuple[Field, ...]
    custom: bool = False

    def field(self, api_name: str) -> Field | None:
        """The field of that name."""
        return self._by_name.get(api_name)

    @cached_property
    def _by_name(self) -> dict[str, Field]:
        return {field.api_name: field for field in self.fields}

    @cached_property
    def default_duplicate_fields(self) -> list[str]:
        """The system field first, then the unique ones: Zoho's order."""
        unique = [field.api_name for field in self.fields if field.unique]
        return list(dict.fromkeys([self.duplicate_field, *unique]))

    @cached_property
    def searched_fields(self) -> frozenset[str]:
        """The fields by whose values records are found."""
        return frozenset(self.default_duplicate_fields)


SYSTEM_FIELDS = (
    Field("id", "bigint", "Record Id", 19, read_only=True),
    Field("Owner", "ownerlookup", "Inhaber"),
    Field("Created_By", "ownerlookup", "Erstellt von", read_only=True),
    Field("Modified_By", "ownerlookup", "Geändert von", read_only=True),
    Field("Created_Time", "datetime", "Erstellt am", read_only=True),
    Field("Modified_Time", "datetime", "Geändert am", read_only=True),
)
AMEISE_FIELDS = (
    Field("Kundennummer", length=20, unique=True, custom=True),
    Field("Vermittlernummer", length=20, custom=True),
    Field("simplr_Benutzername", label="simplr Benutzername", custom=True),
    Field("Ameise_Link", "website", "Ameise Link", custom=True),
)

CONTACTS = Module(
    "Contacts",
    "Contact",
    1,
    name_field="Last_Name",
    duplicate_field="Email",
    fields=(
        Field("Salutation", "picklist", "Anrede", values=("Herr", "Frau", "Divers")),
        Field("First_Name", label="Vorname", length=40),
        Field("Last_Name", label="Nachname", length=80, mandatory=True),
        Field("Full_Name", label="Name", length=120, read_only=True),
        Field("Titel", custom=True),
        Field("Newsletter", "boolean", "Newsletter", custom=True),
        Field("Email", "email", "E-Mail"),
        Field("Phone", "phone", "Telefon"),
        Field("Mobile", "phone", "Mobil"),
        Field("Fax", "phone"),
        Field("Date_of_Birth", "date", "Geburtsdatum"),
        Field("Mailing_Street", label="Straße", length=250),
        Field("Mailing_Zip", label="PLZ", length=30),
        Field("Mailing_City", label="Ort", length=100),
        Field("Mailing_Country", label="Land", length=100),
        Field("Account_Name", "lookup", "Firma", lookup="Accounts"),
        Field("Beruf", custom=True),
        *AMEISE_FIELDS,
        *SYSTEM_FIELDS,
    ),
)
ACCOUNTS = Module(
    "Accounts",
    "Account",
    2,
    name_field="Account_Name",
    duplicate_field="Account_Name",
    fields=(
        Field("Account_Name", label="Firma", length=200, mandatory=True),
        Field("Phone", "phone", "Telefon"),
        Field("Fax", "phone"),
        Field("Website", "website"),
        Field("Billing_Street", label="Straße", length=250),
        Field("Billing_Code", label="PLZ", length=30),
        Field("Billing_City", label="Ort", length=100),
        Field("Billing_Country", label="Land", length=100),
        Field("Ansprechpartner", custom=True),
        Field("E_Mail", "email", "E-Mail", custom=True),
        Field("Gruendungsdatum", "date", "Gründungsdatum", custom=True),
        Field("Branche", custom=True),
        Field("Rechtsform", custom=True),
        *AMEISE_FIELDS,
        *SYSTEM_FIELDS,
    ),
)
VERTRAEGE = Module(
    "Vertraege",
    "Vertrag",
    3,
    name_field="Name",
    duplicate_field="Name",
    custom=True,
    fields=(
        Field("Name", label="Bezeichnung", length=120, mandatory=True),
        Field("Vertragsnummer", length=20, unique=True, custom=True),
        Field("Kunde", "lookup", custom=True, lookup="Contacts"),
        Field("Firma", "lookup", custom=True, lookup="Accounts"),
        Field("Versicherungsscheinnummer", custom=True),
        Field("Sparte", custom=True),
        Field("Gesellschaft", custom=True),
        Field("Status", custom=True),
        Field("Zahlweise", custom=True),
        Field("Risiko", custom=True),
        Field("Beitrag_netto", "currency", "Beitrag netto", custom=True),
        Field("Beginn", "date", custom=True),
        Field("Ablauf", "date", custom=True),
        Field("Ameise_Link", "website", "Ameise Link", custom=True),
        *SYSTEM_FIELDS,
    ),
)
MODULES = {module.api_name: module for module in (CONTACTS, ACCOUNTS, VERTRAEGE)}


def module_id(prefix: int, module: Module) -> str:
    """The id of a module in the org whose ids start at `prefix`."""
    return str(prefix + 2000 + module.number)


def field_id(prefix: int, module: Module, field: Field) -> str:
    """The id of a field in that org."""
    names = [one.api_name for one in MODULES[module.api_name].fields]
    return str(prefix + 10_000 + module.number * 500 + names.index(field.api_name))


def module_json(prefix: int, module: Module) -> dict[str, Any]:
    """A module as `/settings/modules` shows it."""
    return {
        "id": module_id(prefix, module),
        "api_name": module.api_name,
        "module_name": module.api_name,
        "singular_label": module.singular,
        "plural_label": module.api_name,
        "generated_type": "custom" if module.custom else "default",
        "api_supported": True,
        "creatable": True,
        "editable": True,
        "deletable": True,
        "viewable": True,
        "visible": True,
        "show_as_tab": True,
        "status": "visible",
        "profiles": [],
    }


def field_json(prefix: int, module: Module, field: Field) -> dict[str, Any]:
    """A field as `/settings/fields` shows it."""
    own_id = field_id(prefix, module, field)
    writable = not field.read_only
    label = field.label or field.api_name.replace("_", " ")
    target = MODULES.get(field.lookup)
    lookup: dict[str, Any] = {}
    if target is not None:
        lookup = {
            "module": {"api_name": target.api_name, "id": module_id(prefix, target)},
            "display_label": module.api_name,
            "api_name": f"{module.api_name}_{field.api_name}",
            "id": own_id,
        }
    return {
        "id": own_id,
        "api_name": field.api_name,
        "field_label": label,
        "display_label": label,
        "data_type": field.data_type,
        "json_type": JSON_TYPES.get(field.data_type, "string"),
        "length": field.maximum_length,
        "decimal_place": 2 if field.data_type == "currency" else None,
        "system_mandatory": field.mandatory,
        "custom_field": field.custom,
        "read_only": field.read_only,
        "field_read_only": field.read_only,
        "visible": True,
        "webhook": True,
        "virtual_field": False,
        "operation_type": {
            "web_create": writable,
            "web_update": writable,
            "api_create": writable,
            "api_update": writable,
        },
        "unique": {"case_sensitive": False} if field.unique else {},
        "external": None,
        "pick_list_values": _picklist(int(own_id), field),
        "lookup": lookup,
        "multiselectlookup": {},
        "currency": {"precision": 2, "rounding_option": "normal"} if field.data_type == "currency" else {},
        "formula": {},
        "auto_number": {},
        "default_value": None,
        "history_tracking": None,
        "tooltip": None,
        "crypt": None,
        "profiles": [],
    }


def layout_json(prefix: int, module: Module) -> dict[str, Any]:
    """The one layout of a module as `/settings/layouts` shows it."""
    return {
        "id": str(prefix + 3000 + module.number),
        "name": "Standard",
        "display_label": "Standard",
        "status": "active",
        "visible": True,
        "sections": [
            {
                "id": str(prefix + 4000 + module.number),
                "name": "Standard",
                "display_label": "Standard",
                "sequence_number": 1,
                "fields": [
                    {
                        **field_json(prefix, module, field),
                        "required": field.mandatory,
                        "sequence_number": number,
                    }
                    for number, field in enumerate(module.fields, start=1)
                    if not field.read_only
                ],
            }
        ],
    }


def _picklist(start: int, field: Field) -> list[dict[str, Any]]:
    if field.data_type != "picklist":
        return []
    options = ("-None-", *field.values)
    return [
        {
            "id": str(start + 100_000 + number),
            "display_value": option,
            "actual_value": option,
            "reference_value": option,
            "sequence_number": number + 1,
            "colour_code": None,
            "type": "used",
        }
        for number, option in enumerate(options)
    ]
