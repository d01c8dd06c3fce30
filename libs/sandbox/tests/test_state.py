"""The versioned store."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.state import PageQuery, Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "state.sqlite")
    yield store
    store.close()


def test_the_state_as_of_a_moment_is_a_query(store: Store) -> None:
    store.put("w", "kunde", "1", {"name": "alt"}, at=100)
    store.put("w", "kunde", "2", {"name": "bleibt"}, at=150)
    store.put("w", "kunde", "1", {"name": "neu"}, at=200)
    store.remove("w", "kunde", "1", at=300)

    assert list(store.as_of("w", "kunde", 99)) == []
    assert list(store.as_of("w", "kunde", 100)) == [("1", {"name": "alt"})]
    assert dict(store.as_of("w", "kunde", 250)) == {"1": {"name": "neu"}, "2": {"name": "bleibt"}}
    assert list(store.as_of("w", "kunde", 300)) == [("2", {"name": "bleibt"})]


def test_found_values_follow_the_object(store: Store) -> None:
    store.put("w", "kunde", "1", {}, index={"mail": ["A@example.org "]})
    assert store.find("w", "kunde", "mail", "a@EXAMPLE.org") == ["1"]

    store.put("w", "kunde", "1", {}, index={"mail": ["b@example.org"]})
    assert store.find("w", "kunde", "mail", "a@example.org") == []
    assert store.find_prefix("w", "kunde", "mail", "b@", limit=5) == ["1"]

    store.remove("w", "kunde", "1")
    assert store.find("w", "kunde", "mail", "b@example.org") == []


def test_a_failed_transaction_leaves_nothing(store: Store) -> None:
    def write_and_fail() -> None:
        with store.transaction():
            store.put("w", "kunde", "1", {})
            raise KeyError

    with pytest.raises(KeyError):
        write_and_fail()

    assert store.get("w", "kunde", "1") is None
    store.put("w", "kunde", "2", {})
    assert store.count("w", "kunde") == 1


def test_numbers_are_never_given_twice(store: Store) -> None:
    assert store.next_number("n", start=10) == 10
    assert store.next_number("n", start=10, count=5) == 11
    assert store.next_number("n", start=10) == 16


def test_worlds_do_not_mix(store: Store) -> None:
    store.put("a", "kunde", "1", {"x": 1}, parent="p")
    store.put("b", "kunde", "1", {"x": 2}, parent="p")

    assert [stored.data for stored in store.all("a", "kunde")] == [{"x": 1}]
    assert [stored.data for stored in store.children("b", "kunde", "p")] == [{"x": 2}]


def test_no_page_scans_the_table(store: Store) -> None:
    statements: list[str] = []
    store.connection.set_trace_callback(statements.append)
    for sort_by in ("id", "Created_Time", "Modified_Time"):
        after: tuple[float | str, str] = ("1" if sort_by == "id" else 1.0, "1")
        store.page("w", "kunde", PageQuery(sort_by, descending=True, limit=3, after=after))
    store.connection.set_trace_callback(None)

    for statement in statements:
        plan = store.connection.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()
        assert all("SEARCH" in step[3] for step in plan), (statement, plan)
