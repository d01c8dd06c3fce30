"""Where people see an object in Ameise. Pure."""

from ameise.links import DeepLinks
from contracts.ids import Kundennummer
from contracts.names import Table


def deep_link(links: DeepLinks, table: str | None, key: str | None) -> str | None:
    """The address of an object of Ameise; None for one that has none there, or is not known."""
    if key is None or not Kundennummer.pattern.fullmatch(key):
        return None
    match table:
        case Table.KUNDE.value:
            return links.kunde(key)
        case Table.VERTRAG.value:
            return links.vertrag(key)
        case _:
            return None
