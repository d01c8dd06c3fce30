"""What we wrote to Zoho before is still known as ours, so that nobody's edit is seen in it."""

import json
from typing import Any

import psycopg
from pydantic import SecretStr

from chassis.migrations import migrate
from contracts.names import Service

CONNECTION = "01a211ca-0c68-7551-bef1-4dd7f548d77c"
UNREAD = {
    "until": "2026-11-24T06:00:00+00:00",
    "since": "2026-11-24T05:59:00+00:00",
    "author": "77",
    "of": {},
}


def test_the_last_write_of_each_record_is_remembered(new_database: Any) -> None:
    urls = new_database(Service.SYNC, revision="0006")
    with psycopg.connect(urls.superuser, autocommit=True) as connection:
        for key, unread in (("5000000001", json.dumps(UNREAD)), ("5000000002", None)):
            connection.execute(
                "INSERT INTO link (tenant, zoho_connection, module, ameise_connection, table_name, "
                "ameise_key, zoho_id, unread) VALUES ('berlin', %s, 'Contacts', %s, 'kunde', %s, %s, %s)",
                [CONNECTION, CONNECTION, key, key[-1], unread],
            )
        connection.execute(
            "INSERT INTO work (tenant, pipeline, direction, object, lane, correlationid) "
            "VALUES ('berlin', 1, 'to_zoho', '5000000001', 1, %s)",
            [CONNECTION],
        )

        assert migrate(Service.SYNC, SecretStr(urls.owner), revision="0007") == "0007"

        rows = connection.execute("SELECT ameise_key, own_write, deleted_at FROM link ORDER BY ameise_key")
        assert rows.fetchall() == [
            ("5000000001", {"at": UNREAD["until"], "author": "77"}, None),
            ("5000000002", None, None),
        ]
        assert connection.execute("SELECT released FROM work").fetchone() == ({},)
        # As before, nobody but the runtime roles' tenants sees a link; the owner is held too.
        forced = connection.execute("SELECT relforcerowsecurity FROM pg_class WHERE relname = 'link'")
        assert forced.fetchone() == (True,)
        connection.execute(
            "UPDATE work SET direction = 'deletion'"  # refused before
        )
