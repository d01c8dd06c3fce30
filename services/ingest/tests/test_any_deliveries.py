"""For any two deliveries A and B: what is stored, what is told, and what an unreadable B must not do.

Real files, the real importer and a real PostgreSQL, without FTP and NATS; each example is a team of its own.
"""

import asyncio
import csv
import io
import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from chassis.database import Database, fetch_all
from contracts.ids import TenantId, Uuid, new_id
from contracts.names import Table
from contracts.rpc.ingest import DeliveryState
from contracts.work import ObjectsChanged
from ingest import store
from ingest.importing import Importer
from ingest.table_format import load_format
from ingest.tables import DeliveryRow

FORMAT = load_format("dailyup-1")
COLUMNS = {"nachname": "Meyer", "plz": "01067", "geburtsdatum": "2.1.1980", "verstorben": "1"}
"""Columns of the Kunden in these deliveries; the key comes before them."""
UNREADABLE = {"nachname": "\x00", "plz": "\x00", "geburtsdatum": "31.2.1980", "verstorben": "vielleicht"}
CANONICAL = {"2.1.1980": "1980-01-02", "3.4.1990": "1990-04-03", "1": True, "0": False, "": None}

_CELLS = {
    "nachname": st.sampled_from(["", "Meyer", "Größe, Söhne"]),
    "plz": st.sampled_from(["", "01067", "1067"]),
    "geburtsdatum": st.sampled_from(["", "2.1.1980", "3.4.1990"]),
    "verstorben": st.sampled_from(["", "0", "1"]),
}
_KUNDEN = st.dictionaries(st.sampled_from("12345"), st.fixed_dictionaries(_CELLS), max_size=5)
_KONTAKTE = st.dictionaries(
    st.sampled_from("678"), st.tuples(st.sampled_from("12345"), st.sampled_from("ab")), max_size=3
)
_LAENDER = st.dictionaries(st.sampled_from(["DE", "AT"]), st.sampled_from(["Inland", "Ausland"]), max_size=2)


@dataclass(frozen=True)
class Book:
    """A delivery: Kunden by number, addresses by id (whose, what), Länder by id."""

    kunden: dict[str, dict[str, str]]
    kontakte: dict[str, tuple[str, str]]
    laender: dict[str, str]

    def files(self, *, spoilt: frozenset[tuple[str, str]], missing: frozenset[str]) -> dict[str, bytes]:
        columns = [name for name in COLUMNS if name not in missing]
        kunden = [
            [key, *(UNREADABLE[c] if (key, c) in spoilt else cells[c] for c in columns)]
            for key, cells in self.kunden.items()
        ]
        kontakte = [
            [key, kunde, "email", "private", wert, "0"] for key, (kunde, wert) in self.kontakte.items()
        ]
        return {
            "kunden.csv": _csv(["ameise_id", *columns], kunden),
            "kundenkommunikation.csv": _csv(
                ["id", "kunde_id", "art", "kontext", "wert", "standard"], kontakte
            ),
            "laender.csv": _csv(["id", "text"], [list(land) for land in self.laender.items()]),
        }


BOOKS = st.builds(Book, _KUNDEN, _KONTAKTE, _LAENDER)
SPOILT = st.frozensets(st.tuples(st.sampled_from("12345"), st.sampled_from(list(COLUMNS))), max_size=6)
MISSING = st.frozensets(st.sampled_from(list(COLUMNS)), max_size=2)
NOTHING: frozenset[Any] = frozenset()


def _csv(headings: list[str], rows: list[list[str]]) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=";").writerows([headings, *rows])
    return out.getvalue().encode()


@dataclass
class Team:
    """One team's deliveries, one after the other, and a reader who knows only what was told."""

    importer: Importer
    tenant: TenantId
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    heard: dict[tuple[Table, str], Any] = field(default_factory=dict)
    heard_until: int = 0

    @property
    def database(self) -> Database:
        return self.importer.base.database

    async def import_(
        self, book: Book, *, spoilt: frozenset[tuple[str, str]] = NOTHING, missing: frozenset[str] = NOTHING
    ) -> None:
        """As if a person had released it: the guards are tested elsewhere, and would hold much of this."""
        self.began += timedelta(seconds=1)
        row = DeliveryRow(
            id=new_id(), tenant=self.tenant, state=DeliveryState.WAITING, correlationid=new_id(),
            received_from=self.began, as_of=self.began, released_at=self.began, released_by="anna",
        )  # fmt: skip
        folder = self.importer.spool.delivery(self.tenant, Uuid(row.id))
        folder.mkdir(parents=True)
        for name, content in book.files(spoilt=spoilt, missing=missing).items():
            (folder / name).write_bytes(content)
        async with self.database.tenant(self.tenant) as session:
            session.add(row)
        assert await self.importer.import_waiting()
        async with self.database.tenant(self.tenant) as session:
            now = await session.get_one(DeliveryRow, row.id)
            assert now.state in (DeliveryState.IMPORTED, DeliveryState.IMPORTED_WITH_WARNINGS), now.reason
        await self._hear()

    async def _hear(self) -> None:
        """Apply what was told since the last time: fetch what changed, forget what is gone."""
        async with self.database.tenant(self.tenant) as session:
            rows = await fetch_all(
                session,
                "SELECT position, body FROM outbox "
                "WHERE kind = 'work' AND position > :after ORDER BY position",
                after=self.heard_until,
            )
        for row in rows:
            self.heard_until = row["position"]
            told = ObjectsChanged.model_validate_json(row["body"])
            objects = await self.composed(told.table, [changed.key for changed in told.objects])
            for changed in told.objects:
                assert objects[changed.key]["version"] == changed.version
                if changed.gone:
                    del self.heard[told.table, changed.key]
                else:
                    self.heard[told.table, changed.key] = objects[changed.key]

    async def composed(self, table: Table, keys: list[Any]) -> dict[str, Any]:
        async with self.database.tenant(self.tenant) as session:
            return dict(await store.composed_objects(session, FORMAT, table, tenant=self.tenant, keys=keys))

    async def living(self) -> dict[tuple[Table, str], Any]:
        """All objects that are not gone, as they are composed now."""
        found: dict[tuple[Table, str], Any] = {}
        for table, keys in ((Table.KUNDE, "12345"), (Table.LAND, ["DE", "AT"])):
            objects = await self.composed(table, list(keys))
            found |= {(table, key): object_ for key, object_ in objects.items() if not object_["gone"]}
        return found

    async def check_is(self, book: Book) -> None:
        """Exactly `book` is stored, and known to who listened."""
        living = await self.living()
        assert living == self.heard
        assert {key for table, key in living if table is Table.KUNDE} == set(book.kunden)
        assert {key: living[Table.LAND, key]["fields"]["text"] for key in book.laender} == book.laender
        assert len(living) == len(book.kunden) + len(book.laender)
        for key, cells in book.kunden.items():
            fields = living[Table.KUNDE, key]["fields"]
            assert {name: fields[name] for name in COLUMNS} == canonical(cells)
            emails = {wert for kunde, wert in book.kontakte.values() if kunde == key}
            assert {one["wert"] for one in fields["kommunikationen"]} == emails


def canonical(cells: dict[str, str]) -> dict[str, Any]:
    return {name: CANONICAL.get(cells[name], cells[name]) for name in COLUMNS}


@pytest.fixture
def teams(importer: Importer) -> Any:
    """`teams()` makes the next team."""
    numbers = itertools.count(1)
    return lambda: Team(importer, TenantId(f"team-{next(numbers)}"))


@pytest.mark.usefixtures("small_blocks")
def test_a_then_b_leaves_exactly_b_and_what_is_told_makes_a_into_b(teams: Any) -> None:
    async def check(a: Book, b: Book) -> None:
        team = teams()
        await team.import_(a)
        await team.check_is(a)
        await team.import_(b)
        await team.check_is(b)
        told = team.heard_until
        await team.import_(b)
        assert team.heard_until == told, "the same again is no change"

    _for_any(check, BOOKS, BOOKS)


@pytest.mark.usefixtures("small_blocks")
def test_no_value_is_ever_replaced_by_empty_because_it_could_not_be_read(teams: Any) -> None:
    async def check(a: Book, b: Book, spoilt: frozenset[tuple[str, str]], missing: frozenset[str]) -> None:
        team = teams()
        await team.import_(a)
        await team.import_(b, spoilt=spoilt, missing=missing)
        living = await team.living()
        assert living == team.heard
        assert {key for table, key in living if table is Table.KUNDE} == set(b.kunden)
        for key, cells in b.kunden.items():
            known = canonical(cells)
            before = canonical(a.kunden[key]) if key in a.kunden else {}
            for name in COLUMNS:
                if name in missing or (key, name) in spoilt:
                    known.pop(name)
                    known |= {name: before[name]} if before else {}
            found = living[Table.KUNDE, key]
            assert {name: value for name, value in found["fields"].items() if name in COLUMNS} == known
            assert set(found["unknown"]) >= COLUMNS.keys() - known.keys()
        await team.import_(b)
        await team.check_is(b)

    _for_any(check, BOOKS, BOOKS, SPOILT, MISSING)


def _for_any(check: Any, *strategies: Any) -> None:
    with asyncio.Runner() as runner:
        # Without shrinking: it would take minutes, and these examples are small.
        @settings(max_examples=10, deadline=None, database=None, phases=(Phase.explicit, Phase.generate))
        @given(st.tuples(*strategies))
        def one_example(drawn: tuple[Any, ...]) -> None:
            runner.run(check(*drawn))

        one_example()
