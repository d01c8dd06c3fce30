"""What was open about Kunden and Verträge is still open in the one table of both."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
from pydantic import SecretStr

from chassis.migrations import migrate
from contracts.names import Service

ID = "01957a3c-5c00-7000-8000-00000000000{}"
OF_VERTRAG = "vertrag_intent (id, kunde, match_key, vertragsnummer, outcome, {})"
OF_KUNDE = "intent (id, match_keys, kundennummer, outcome, {})"
COMMON = "tenant, ameise_connection, module, zoho_id, found_before"


def test_intents_of_both_kinds_are_kept(new_database: Any) -> None:
    urls = new_database(Service.SYNC, revision="0008")
    about = ["berlin", ID.format(9), "Modul", "77", '["1"]']
    with psycopg.connect(urls.superuser, autocommit=True) as connection:
        for table, *values in (
            (OF_KUNDE, ID.format(1), '["name"]', "5001", "created"),
            (OF_VERTRAG, ID.format(2), "5001", "hash", None, "open"),
        ):
            connection.execute(
                f"INSERT INTO {table.format(COMMON)} VALUES ({', '.join(['%s'] * len(values + about))})",
                [*values, *about],
            )

        assert migrate(Service.SYNC, SecretStr(urls.owner), revision="0010") == "0010"

        rows = connection.execute(
            "SELECT table_name, kunde, match_keys, found_before, outcome, ameise_key, zoho_id FROM intent "
            "ORDER BY id"
        )
        assert rows.fetchall() == [
            ("kunde", None, ["name"], ["1"], "created", "5001", "77"),
            ("vertrag", "5001", ["hash"], ["1"], "open", None, "77"),
        ]
        # As before, nobody but the runtime roles' tenants sees an intent; the owner is held too.
        forced = connection.execute("SELECT relforcerowsecurity FROM pg_class WHERE relname = 'intent'")
        assert forced.fetchone() == (True,)


def test_who_has_work_in_hand_gets_to_its_intent_and_the_migration_waits(new_database: Any) -> None:
    urls = new_database(Service.SYNC, revision="0009")
    with (
        ThreadPoolExecutor(1) as beside,
        psycopg.connect(urls.superuser, autocommit=True) as watching,
        psycopg.connect(urls.superuser, options="-c lock_timeout=2s") as worker,
    ):
        worker.execute("SELECT FROM work FOR UPDATE")
        migrated = beside.submit(migrate, Service.SYNC, SecretStr(urls.owner), revision="0010")
        end = time.monotonic() + 20
        while not watching.execute(WAITING).fetchall():
            assert not migrated.done()
            assert time.monotonic() < end
            time.sleep(0.03)
        worker.execute("UPDATE vertrag_intent SET outcome = 'adopted'")
        worker.execute("UPDATE intent SET outcome = 'adopted'")
        worker.commit()
        assert migrated.result(timeout=20) == "0010"


WAITING = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
