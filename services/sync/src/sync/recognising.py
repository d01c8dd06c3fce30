"""Our own writes to Zoho, recognised at the next look instead of being read back. Pure.

What we send becomes the base at once. Zoho may keep it in another form; the next time that the record is
read, for whatever reason, its Modified_Time and Modified_By say whether our write was the last one: then the
form in which Zoho keeps it is the base, and no edit. So a batch costs one reading call less. If a person
changed the record in between, what we sent stays the base, and a form that Zoho gave it looks like an edit
made along with theirs: it travels to Ameise once, and rests.

Modified_Time has whole seconds: without Modified_By, an edit in the second of our write would pass as ours.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sync.link_store import Link
from sync.values import UNKNOWN, Fields, Known
from sync.zoho_records import modified_time


def unread(
    fields: Iterable[str], *, since: datetime | None, until: datetime | None, author: str
) -> Mapping[str, Any] | None:
    """What a link remembers of our write; nothing where Zoho did not say when or by whom."""
    if since is None or until is None or not author:
        return None
    return {
        "fields": sorted(fields), "since": since.isoformat(), "until": until.isoformat(), "author": author,
    }  # fmt: skip


def having_read(link: Link, record: Mapping[str, Any], values: Fields) -> Link:
    """The link that knows in which form Zoho keeps what we wrote; `values`: the record's (`sync.sides`)."""
    if link.unread is None:
        return link
    return link.with_bases(ameise={}, zoho=kept_form(link.unread, record, values), unread=None)


def kept_form(unread: Mapping[str, Any], record: Mapping[str, Any], values: Fields) -> dict[str, Known]:
    """The fields that we wrote, as Zoho keeps them; none if somebody wrote after us."""
    if not _is_ours(unread, record):
        return {}
    return {name: value for name in unread["fields"] if (value := values.get(name, UNKNOWN)) is not UNKNOWN}


def _is_ours(unread: Mapping[str, Any], record: Mapping[str, Any]) -> bool:
    changed, by = modified_time(record), record.get("Modified_By")
    if changed is None or not isinstance(by, Mapping) or by.get("id") != unread["author"]:  # pyright: ignore[reportUnknownMemberType]
        return False
    return datetime.fromisoformat(unread["since"]) <= changed <= datetime.fromisoformat(unread["until"])
