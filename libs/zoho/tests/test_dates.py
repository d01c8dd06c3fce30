"""Moments with an offset."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from zoho import format_moment, parse_moment


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2023-05-10T01:10:47-07:00", datetime(2023, 5, 10, 8, 10, 47, tzinfo=UTC)),
        ("2026-10-25T02:30:00+01:00", datetime(2026, 10, 25, 1, 30, tzinfo=UTC)),
        ("2026-10-25T02:30:00+02:00", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        ("2026-11-23T10:00:00Z", datetime(2026, 11, 23, 10, tzinfo=UTC)),
    ],
)
def test_the_offset_is_honoured(text: str, moment: datetime) -> None:
    assert parse_moment(text) == moment


@pytest.mark.parametrize("text", ["2026-11-23T10:00:00", "gestern", ""])
def test_a_moment_without_offset_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_moment(text)


def test_moments_are_sent_in_utc_and_whole_seconds() -> None:
    berlin = timezone(timedelta(hours=1))
    assert (
        format_moment(datetime(2026, 11, 23, 10, 0, 0, 999_999, tzinfo=berlin)) == "2026-11-23T09:00:00+00:00"
    )


def test_a_moment_without_time_zone_is_never_sent() -> None:
    with pytest.raises(ValueError, match="time zone"):
        format_moment(datetime(2026, 11, 23))  # noqa: DTZ001  that is the point
