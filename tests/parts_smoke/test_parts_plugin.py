"""The parts that every suite gets: they answer, and each test has its own names."""

import urllib.request

import nats
import psycopg


async def test_nats_has_jetstream(nats_url: str) -> None:
    client = await nats.connect(nats_url)
    assert (await client.jetstream().account_info()).streams >= 0
    await client.close()


def test_postgres_is_given_with_superuser_rights(postgres: str) -> None:
    with psycopg.connect(postgres) as connection:
        row = connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
    assert row == (True,)


def test_the_search_store_is_an_opensearch(opensearch_url: str, index_prefix: str) -> None:
    request = urllib.request.Request(f"{opensearch_url}/{index_prefix}-a", method="PUT")
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 200
