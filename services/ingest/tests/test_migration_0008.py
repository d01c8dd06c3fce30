"""The versions of objects move into their rows, and nothing is told again because of it."""

from typing import Any

import psycopg
from pydantic import SecretStr

from chassis.migrations import migrate
from contracts.names import Service

DELIVERY = "01a211ca-0c68-7551-bef1-4dd7f548d77c"
MOMENT = "2026-11-24 06:00:00+00"


def test_versions_move_into_the_rows_of_their_objects(new_database: Any) -> None:
    urls = new_database(Service.INGEST, revision="0007")
    with psycopg.connect(urls.superuser, autocommit=True) as connection:
        for key, gone in (("5000000001", None), ("5000000002", MOMENT)):
            connection.execute(
                "INSERT INTO kunde (tenant, key, row_hash, first_seen, changed_at, gone_since) "
                "VALUES ('berlin', %s, 'of its cells', %s, %s, %s)",
                [key, MOMENT, MOMENT, gone],
            )
            connection.execute(
                "INSERT INTO object_version VALUES ('berlin', 'kunde', %s, md5(%s), %s, %s, %s)",
                [key, key, gone is not None, MOMENT, DELIVERY],
            )

        assert migrate(Service.INGEST, SecretStr(urls.owner), revision="0008") == "0008"

        rows = connection.execute(
            "SELECT key, version = md5(key), row_hash, versioned_by::text FROM kunde ORDER BY key"
        ).fetchall()
        assert rows == [("5000000001", True, None, DELIVERY), ("5000000002", True, None, DELIVERY)]
        protected = connection.execute(
            "SELECT count(*) FROM pg_class c JOIN pg_policies p ON p.tablename = c.relname "
            "WHERE c.relname IN ('kunde', 'sparte', 'kundendetail') AND relforcerowsecurity"
        ).fetchone()
        assert protected == (6,)
