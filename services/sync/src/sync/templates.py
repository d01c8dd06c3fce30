"""The ready pipelines. They fit the modules and fields that the handbook asks an admin to make in Zoho."""

from dataclasses import dataclass
from typing import Any

from contracts.names import Table
from contracts.rpc.pipeline_definition import Blank, Converter, FieldMapping, Person, Way
from sync.pipelines import Definition

LAENDER = {"DE": "Deutschland", "AT": "Österreich", "CH": "Schweiz"}
ANREDEN = {"1": "Herr", "2": "Frau", "4": "Divers"}
KUNDE_LINK = "{base}?show=kunde&kunde={value}"
VERTRAG_LINK = "{base}?show=vertrag&vertrag={value}"


def _both(ameise: str, zoho: str, converter: Converter = Converter.TEXT, **more: Any) -> FieldMapping:
    return FieldMapping(ameise=ameise, zoho=zoho, converter=converter, **more)


def _to_zoho(ameise: str, zoho: str, converter: Converter = Converter.TEXT, **more: Any) -> FieldMapping:
    return FieldMapping(ameise=ameise, zoho=zoho, way=Way.TO_ZOHO, converter=converter, **more)


_OF_EVERY_KUNDE = (
    _to_zoho("ameise_id", "Kundennummer"),
    _to_zoho("benutzername_simplr", "simplr_Benutzername"),
    _to_zoho("vermittler_id", "Vermittlernummer"),
    _to_zoho("deep_link", "Ameise_Link", Converter.LINK, parts=("key",), template=KUNDE_LINK),
)

NATUERLICHE_PERSON = Definition(
    person=Person.NATURAL,
    unique_field="Kundennummer",
    new_kunde={"land_id": "DE"},
    fields=(
        *_OF_EVERY_KUNDE,
        _both("anrede_id", "Salutation", Converter.PICKLIST, values=ANREDEN),
        _both("titel", "Titel"),
        _both("vorname", "First_Name", max_length=40),
        _both("nachname", "Last_Name", max_length=80),
        _both("geburtsdatum", "Date_of_Birth", Converter.DATE),
        _both("beruf", "Beruf"),
        _both("strasse", "Mailing_Street"),
        _both("plz", "Mailing_Zip"),
        _both("ort", "Mailing_City"),
        _both("land_id", "Mailing_Country", Converter.PICKLIST, values=LAENDER),
        _both("email", "Email", Converter.EMAIL, max_length=100),
        _both("telefon", "Phone", Converter.PHONE),
        _both("mobil", "Mobile", Converter.PHONE),
        _both("fax", "Fax", Converter.PHONE),
    ),
)

JURISTISCHE_PERSON = Definition(
    person=Person.LEGAL,
    unique_field="Kundennummer",
    new_kunde={"anrede_id": "3", "land_id": "DE"},
    fields=(
        *_OF_EVERY_KUNDE,
        _both("nachname", "Account_Name"),
        _both("vorname", "Ansprechpartner"),
        _both("geburtsdatum", "Gruendungsdatum", Converter.DATE),
        _both("beruf", "Branche"),
        _to_zoho("rechtsform", "Rechtsform"),
        _both("strasse", "Billing_Street"),
        _both("plz", "Billing_Code"),
        _both("ort", "Billing_City"),
        _both("land_id", "Billing_Country", Converter.PICKLIST, values=LAENDER),
        _both("email", "E_Mail", Converter.EMAIL, max_length=100),
        _both("telefon", "Phone", Converter.PHONE),
        _both("fax", "Fax", Converter.PHONE),
        _both("website", "Website"),
    ),
)

VERTRAG = Definition(
    direction=Way.TO_ZOHO,  # Ameise documents no call that changes a Vertrag
    unique_field="Vertragsnummer",
    fields=(
        _to_zoho("ameise_id", "Vertragsnummer"),
        _to_zoho("name", "Name", Converter.JOIN, parts=("sparte", "key")),
        _to_zoho("deep_link", "Ameise_Link", Converter.LINK, parts=("key",), template=VERTRAG_LINK),
        _to_zoho("kunde_id", "Kunde", Converter.LOOKUP, module="Contacts"),
        _to_zoho("kunde_id_firma", "Firma", Converter.LOOKUP, module="Accounts", parts=("kunde_id",)),
        _to_zoho("versicherungsscheinnummer", "Versicherungsscheinnummer"),
        _to_zoho("sparte", "Sparte"),
        _to_zoho("gesellschaft", "Gesellschaft"),
        _to_zoho("status", "Status"),
        _to_zoho("zahlweise", "Zahlweise"),
        _to_zoho("risiko", "Risiko"),
        _to_zoho("beitrag_netto", "Beitrag_netto", Converter.NUMBER, blank=Blank.ERASE),
        _to_zoho("beginn", "Beginn", Converter.DATE),
        _to_zoho("ablauf", "Ablauf", Converter.DATE, blank=Blank.ERASE),
    ),
)


@dataclass(frozen=True, slots=True)
class Template:
    """A ready pipeline."""

    name: str
    table: Table
    module: str
    definition: Definition


BUILT_IN = (
    Template("Kunde (natürliche Person)", Table.KUNDE, "Contacts", NATUERLICHE_PERSON),
    Template("Kunde (juristische Person)", Table.KUNDE, "Accounts", JURISTISCHE_PERSON),
    Template("Vertrag", Table.VERTRAG, "Vertraege", VERTRAG),
)
"""Made by "create the default pipelines"."""


@dataclass(frozen=True, slots=True)
class ListTemplate:
    """A list of Ameise whose entries are the picklist values of a field that a ready pipeline maps.

    `column`: the field of the list's entries that is shown in Zoho.
    """

    table: Table
    module: str
    field: str
    column: str = "text"


LISTS = (
    ListTemplate(Table.ANREDE, "Contacts", "Salutation"),
    ListTemplate(Table.LAND, "Contacts", "Mailing_Country"),
    ListTemplate(Table.RECHTSFORM, "Accounts", "Rechtsform"),
    ListTemplate(Table.SPARTE, "Vertraege", "Sparte"),
    ListTemplate(Table.GESELLSCHAFT, "Vertraege", "Gesellschaft"),
    ListTemplate(Table.STATUS, "Vertraege", "Status"),
    ListTemplate(Table.ZAHLWEISE, "Vertraege", "Zahlweise"),
    ListTemplate(Table.VERMITTLER, "Contacts", "Vermittlernummer", column="vermittler_id"),
)
