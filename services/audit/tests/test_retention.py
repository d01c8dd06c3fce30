"""Which months go."""

from datetime import UTC, datetime

from audit.retention import too_old


def test_months_before_the_retention_go() -> None:
    names = [f"mvp-events-{month}" for month in ("2025.10", "2025.11", "2026.01", "2026.11")]
    assert too_old(names, now=datetime(2026, 11, 24, tzinfo=UTC), months=12) == ["mvp-events-2025.10"]


def test_the_turn_of_the_year_is_one_month() -> None:
    names = ["mvp-events-2025.11", "mvp-events-2025.12", "mvp-events-2026.01"]
    assert too_old(names, now=datetime(2026, 1, 1, tzinfo=UTC), months=1) == ["mvp-events-2025.11"]


def test_an_index_that_is_no_month_stays() -> None:
    assert too_old(["mvp-events-reindexed"], now=datetime(2026, 1, 1, tzinfo=UTC), months=1) == []
