"""Links into Ameise lead to Kunden and Verträge, and nowhere else."""

import pytest

from ameise.links import DeepLinks
from contracts.names import Table
from sync.deep_links import deep_link


@pytest.mark.parametrize(
    ("table", "key", "end"),
    [("kunde", "5001", "?show=kunde&kunde=5001"), ("vertrag", "77001", "?show=vertrag&vertrag=77001")],
)
def test_kunden_and_vertraege_have_an_address(table: str, key: str, end: str) -> None:
    assert (deep_link(DeepLinks(), table, key) or "").endswith(end)


@pytest.mark.parametrize("key", [None, "", "5001:7", "../kunden", "x" * 70])
def test_what_is_no_number_has_none(key: str | None) -> None:
    assert deep_link(DeepLinks(), Table.KUNDE, key) is None


@pytest.mark.parametrize("table", [None, Table.SPARTE])
def test_other_objects_have_none(table: str | None) -> None:
    assert deep_link(DeepLinks(), table, "050") is None
