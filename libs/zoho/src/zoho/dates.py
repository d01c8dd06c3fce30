"""Zoho's moments: ISO 8601 with seconds and an offset, in the time zone of the user behind the token."""

from __future__ import annotations

import functools
from datetime import UTC, datetime


@functools.lru_cache(maxsize=1024)  # what is written together shares its moment
def parse_moment(text: str) -> datetime:
    """Return "2023-05-10T01:10:47-07:00" in UTC; ValueError if it is no moment with an offset."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("A moment of Zoho needs its offset from UTC.")
    return moment.astimezone(UTC)


def format_moment(moment: datetime) -> str:
    """Return the moment as Zoho reads it, in UTC and whole seconds, cut; ValueError without a time zone."""
    if moment.tzinfo is None:
        raise ValueError("A moment for Zoho needs a time zone.")
    return moment.astimezone(UTC).isoformat(timespec="seconds")
