"""Client of the Ameise MitarbeiterWebservice."""

from ameise.client import LIST_PATHS, AmeiseClient, Body, Liste
from ameise.links import DEFAULT_LINK_BASE, DeepLinks
from ameise.models import (
    Adresse,
    AmeiseModel,
    Beitrag,
    CreatedKunde,
    Kontaktdatum,
    Kunde,
    Laufzeit,
    ListEntry,
    Mitarbeiter,
    Person,
    Vermittler,
    Vertrag,
)

__all__ = [
    "DEFAULT_LINK_BASE",
    "LIST_PATHS",
    "Adresse",
    "AmeiseClient",
    "AmeiseModel",
    "Beitrag",
    "Body",
    "CreatedKunde",
    "DeepLinks",
    "Kontaktdatum",
    "Kunde",
    "Laufzeit",
    "ListEntry",
    "Liste",
    "Mitarbeiter",
    "Person",
    "Vermittler",
    "Vertrag",
]
