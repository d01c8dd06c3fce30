"""For any deliveries one after the other: to pass by known lines leaves, tells and warns as to read them all.

Two teams get the same files. One is made to forget the hashes of its lines before each delivery, and so reads
every line: what is true of it must be true of the other one.
"""

import asyncio
import itertools
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from chassis.database import fetch_all, run_sql
from contracts.ids import TenantId, Uuid, new_id
from contracts.names import Table
from contracts.rpc.ingest import DeliveryState
from ingest.importing import Importer
from ingest.table_format import load_format
from ingest.tables import DeliveryRow

FORMAT = load_format("dailyup-1")
_KUNDEN, _LAENDER = st.sampled_from(["1", "2", "3", ""]), st.sampled_from(["DE", "AT", ""])
_TEXTS = st.sampled_from(
    ["A", "A", "B", "", "\x00", '"x\n1;A;DE;0;A\ny"', '"A"', '"x\n\\.\ny"', "\\.", "x\ry", '"x']
)
_TRUTHS = st.sampled_from(["0", "nein", "1", "", "vielleicht"])
_TABLES: dict[str, dict[str, st.SearchStrategy[str]]] = {
    "kunden.csv": {
        "ameise_id": _KUNDEN, "nachname": _TEXTS, "land_id": _LAENDER, "verstorben": _TRUTHS, "neu": _TEXTS,
    },
    "kundenkommunikation.csv": {
        "id": st.sampled_from("67"), "kunde_id": _KUNDEN, "art": st.just("email"), "wert": _TEXTS,
        "standard": _TRUTHS,
    },
    "kundendetails.csv": {"kunde_id": _KUNDEN, "feld_id": st.sampled_from("12"), "wert": _TEXTS},
    "kundendetailfelder.csv": {"id": st.sampled_from("12"), "bezeichnung": _TEXTS},
    "vertraege.csv": {
        "ameise_id": st.sampled_from("89"), "kunde_id": _KUNDEN,
        "beitrag_netto": st.sampled_from(["1,50", "1,5", "2", "?"]),
    },
    "laender.csv": {"id": _LAENDER, "text": _TEXTS},
}  # fmt: skip


@st.composite
def _file(draw: Any, name: str) -> bytes:
    columns = _TABLES[name]
    [_, *others] = columns
    left_out = draw(st.sampled_from([None, None, None, *others]))
    names = [column for column in columns if column != left_out]
    rows = draw(st.lists(st.fixed_dictionaries(columns), max_size=4))
    lines = [names, *([row[column] for column in names] for row in rows)]
    return "".join(";".join(cells) + "\n" for cells in lines).encode()


_DELIVERIES = st.lists(
    st.fixed_dictionaries({}, optional={name: _file(name) for name in _TABLES}).filter(bool),
    min_size=3,
    max_size=4,
)


@dataclass
class Team:
    importer: Importer
    tenant: TenantId
    began: datetime = field(default_factory=lambda: datetime.now(UTC))

    async def import_(self, files: dict[str, bytes], *, reads_all: bool) -> dict[str, Any]:
        """As if a person had released it. Returns all that came of it."""
        self.began += timedelta(seconds=1)
        row = DeliveryRow(
            id=new_id(), tenant=self.tenant, state=DeliveryState.WAITING, correlationid=new_id(),
            received_from=self.began, as_of=self.began, released_at=self.began, released_by="anna",
        )  # fmt: skip
        folder = self.importer.spool.delivery(self.tenant, Uuid(row.id))
        folder.mkdir(parents=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)
        async with self.importer.base.database.tenant(self.tenant) as session:
            for table in Table if reads_all else ():
                await run_sql(session, f"UPDATE {table} SET row_hash = NULL")
            session.add(row)
        assert await self.importer.import_waiting()
        return await self._outcome(row.id)

    async def _outcome(self, delivery: str) -> dict[str, Any]:
        async with self.importer.base.database.tenant(self.tenant) as session:
            [ended] = await fetch_all(
                session,
                "SELECT state, counts, problems, problem_count, reason FROM delivery WHERE id = :id",
                id=delivery,
            )
            # The number of a record is not known of a line that was passed by.
            problems = [{**problem, "row": None} for problem in ended["problems"]]
            found: dict[str, Any] = {
                **ended, "problems": sorted(json.dumps(one, sort_keys=True) for one in problems),
            }  # fmt: skip
            for table in Table:
                rows = await fetch_all(session, f"SELECT to_jsonb(t) AS row FROM {table} t ORDER BY key")
                moments = {"tenant", "row_hash", "first_seen", "changed_at", "versioned_at", "versioned_by"}
                found[table] = [
                    {name: value for name, value in row["row"].items() if name not in moments}
                    | {"gone_since": row["row"]["gone_since"] is not None}
                    for row in rows
                ]
            found["told"] = [
                sorted((row["objects"] for row in told), key=str)
                for told in [
                    await fetch_all(
                        session,
                        "SELECT convert_from(body, 'UTF8')::jsonb -> 'objects' AS objects FROM outbox "
                        "WHERE kind = 'work'",
                    )
                ]
            ]
            found["delivered"] = await fetch_all(
                session, "SELECT table_name, columns, rows, whole_once FROM delivered_table ORDER BY 1"
            )
            found["history"] = await fetch_all(
                session,
                "SELECT table_name, key, action, before, after, unknown_before FROM history "
                "ORDER BY changed_at, table_name, key",
            )
        return found


@pytest.fixture
def teams(importer: Importer) -> Any:
    """`teams()` makes the next team."""
    numbers = itertools.count(1)
    return lambda: Team(importer, TenantId(f"team-{next(numbers)}"))


def test_known_lines_are_passed_by_as_if_they_were_read(teams: Any) -> None:
    async def check(deliveries: list[dict[str, bytes]]) -> None:
        knowing, reading = teams(), teams()
        for files in deliveries:
            known = await knowing.import_(files, reads_all=False)
            read = await reading.import_(files, reads_all=True)
            assert [*set(known["problems"]) ^ set(read["problems"])] == []
            assert known == read

    with asyncio.Runner() as runner:
        # Without shrinking: it would take minutes, and these examples are small.
        @settings(
            max_examples=8, deadline=None, database=None, phases=(Phase.explicit, Phase.generate),
            suppress_health_check=[HealthCheck.too_slow],
        )  # fmt: skip
        @given(_DELIVERIES)
        def one_example(deliveries: list[dict[str, bytes]]) -> None:
            runner.run(check(deliveries))

        one_example()
