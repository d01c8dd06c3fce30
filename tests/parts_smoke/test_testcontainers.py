"""The smoke path through testcontainers: only where a Docker engine answers and has the images."""

import json
import os
import urllib.request

import nats
import psycopg
import pytest

from parts.docker import engine_answers, local_image


def image(repository: str) -> str:
    """A local image of `repository`; skips the test where there is none. Nothing is ever pulled."""
    if not engine_answers():
        pytest.skip("no Docker engine answers")
    found = local_image(repository)
    if found is None:
        pytest.skip(f"the Docker engine has no image {repository}")
    # The clean-up container of testcontainers is one more image that would have to be pulled.
    os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")
    return found


async def test_a_nats_container_has_jetstream() -> None:
    name = image("nats")
    from testcontainers.community.nats import NatsContainer

    with NatsContainer(name, jetstream=True) as container:
        client = await nats.connect(container.nats_uri())
        assert (await client.jetstream().account_info()).streams == 0
        await client.close()


def test_a_postgres_container_answers() -> None:
    name = image("postgres")
    from testcontainers.community.postgres import PostgresContainer

    with (
        PostgresContainer(name, driver=None) as container,
        psycopg.connect(container.get_connection_url()) as connection,
    ):
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_an_opensearch_container_answers() -> None:
    name = image("opensearchproject/opensearch")
    from testcontainers.community.opensearch import OpenSearchContainer

    with OpenSearchContainer(name) as container:
        url = f"http://{container.get_container_host_ip()}:{container.get_exposed_port(9200)}/"
        with urllib.request.urlopen(url) as answer:
            assert json.load(answer)["version"]["distribution"] == "opensearch"
