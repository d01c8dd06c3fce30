"""Zoho organisations: each with its own ids, users and records. An org is made when it is first named."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sandbox.state import Store

BERLIN = ZoneInfo("Europe/Berlin")
ORG_NAME = re.compile(r"[\w.-]{1,64}")
API_USER = 1
"""Number of the user who gave consent: the connector writes in his name."""
PERSON = 2
"""Number of the user who edits in the CRM's own screens."""
SELLER = 3
FORMER = 4
"""Number of a user who left, and cannot sign in any more."""
_USERS = {
    API_USER: ("Konnektor Dienst", "konnektor"),
    PERSON: ("Paula Beispiel", "paula"),
    SELLER: ("Viktor Vertrieb", "viktor"),
    FORMER: ("Egon Ehemals", "egon"),
}


@dataclass(frozen=True, slots=True)
class Org:
    """One organisation. All its ids are `prefix` plus something: 18 digits, above 2^53."""

    name: str
    number: int

    @property
    def world(self) -> str:
        """Where its records live in the store."""
        return f"zoho:{self.name}"

    @property
    def prefix(self) -> int:
        """The start of its ids."""
        return (554_023 + self.number) * 10**12

    @property
    def zgid(self) -> str:
        """The organisation's id, part of a record's link."""
        return str(20_081_000_000 + self.number)

    def next_id(self, store: Store) -> str:
        """An id never given before in this org."""
        return str(self.prefix + store.next_number(self.world, start=1_000_001))

    def user(self, number: int) -> dict[str, Any]:
        """Short form of a user, as in Owner, Created_By and Modified_By."""
        name, mail = _USERS[number]
        return {
            "name": name,
            "id": str(self.prefix + 400_000 + number),
            "email": f"{mail}@{self.name}.example",
        }

    def active_user(self, id_: str) -> dict[str, Any] | None:
        """The user of this id, if records can be his."""
        users = (self.user(number) for number in _USERS if number != FORMER)
        return next((user for user in users if user["id"] == id_), None)


def org_named(store: Store, name: str) -> Org:
    """The org, made now if it is new. Raises ValueError for a name that is none."""
    if not ORG_NAME.fullmatch(name):
        raise ValueError(f"an org's name is 1 to 64 letters, digits, dots or dashes, not {name!r}")
    stored = store.get("zoho", "org", name)
    if stored is None:
        number = store.next_number("zoho-org")
        store.put("zoho", "org", name, {"number": number})
        return Org(name, number)
    return Org(name, stored.data["number"])


def zoho_time(moment: float) -> str:
    """Unix seconds as Zoho writes a datetime: whole seconds, with the offset of the user's zone."""
    return datetime.fromtimestamp(int(moment), BERLIN).isoformat()


def unix_time(text: str) -> float | None:
    """Zoho's datetime as Unix seconds; None if it is not readable. Without offset it is UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
