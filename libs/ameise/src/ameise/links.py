"""Deep links into Ameise's web interface, for people and for a field in the CRM."""

from __future__ import annotations

from dataclasses import dataclass

from vendor import path_id

DEFAULT_LINK_BASE = "https://www.maklerinfo.biz/maklerportal/"
"""The address that blau direkt's brokers use; installations also know ameise.app and a test host."""


@dataclass(frozen=True, slots=True)
class DeepLinks:
    """Builds the links of one installation of Ameise."""

    base_url: str = DEFAULT_LINK_BASE

    def kunde(self, kundennummer: str) -> str:
        """Return the link to a Kunde by its Kundennummer (Ameise's Id)."""
        return f"{self.base_url}?show=kunde&kunde={path_id(kundennummer)}"

    def vertrag(self, vertragsnummer: str) -> str:
        """Return the link to a Vertrag by its Vertragsnummer (Ameise's Id, not the insurer's number)."""
        return f"{self.base_url}?show=vertrag&vertrag={path_id(vertragsnummer)}"
