"""PostgreSQL itself keeps the tenants apart, whatever a query forgets."""

from typing import Any

import psycopg
import pytest

from contracts.names import Table

TABLES = (
    *("ftp_user", "delivery", "delivery_problem", "delivered_table", "history", "overdue"),
    *(table.value for table in Table),
)


async def test_the_runtime_role_sees_its_own_tenant_only(ingest: Any, urls: Any, kit: Any) -> None:
    book = kit.a_book(1)
    book.detail("5000000001", "1", "Segeln")
    book.tables[Table.KUNDENDETAILFELD][0]["id"] = "1"
    await ingest.deliver(book.files())
    book.tables[Table.KUNDE][0] |= {"nachname": "Schmidt", "geburtsdatum": "gestern"}
    await ingest.deliver(book.files())
    await ingest.sql("INSERT INTO overdue VALUES (%s, now())", kit.tenant)
    with psycopg.connect(urls.runtime) as connection:
        for table in TABLES:
            connection.execute("SELECT set_config('app.tenant', %s, true)", [kit.tenant])
            own = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
            connection.execute("SELECT set_config('app.tenant', 'hamburg', true)")
            others = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
            assert own is not None
            assert (own[0] > 0, others) == (True, (0,)), table


@pytest.mark.parametrize("table", TABLES)
def test_without_a_tenant_every_query_is_an_error(urls: Any, table: str) -> None:
    with (
        psycopg.connect(urls.runtime) as connection,
        pytest.raises(psycopg.Error, match="no tenant is set"),
    ):
        connection.execute(f"SELECT * FROM {table}")
