"""Where people see an object in Ameise. Pure."""

from ameise.links import DeepLinks
from contracts.names import Table


def deep_link(links: DeepLinks, table: str | None, key: str | None) -> str | None:
    """The address of an object of Ameise; None for one that has none there, or is not known."""
    match table, key:
        case Table.KUNDE.value, str():
            return links.kunde(key)
        case Table.VERTRAG.value, str():
            return links.vertrag(key)
        case _:
            return None
