"""Asks a started process whether it is ready."""

import http.client
import time
from collections.abc import Callable
from datetime import timedelta
from typing import assert_never
from urllib.parse import urlsplit

import psycopg

from .process import HttpReady, PostgresReady, Readiness

_ANSWER_WITHIN = timedelta(seconds=2)
POLL_INTERVAL = timedelta(milliseconds=50)


def is_ready(readiness: Readiness) -> bool:
    """One look, at most two seconds long; any failure means not yet."""
    match readiness:
        case HttpReady(url):
            return _answers_200(url)
        case PostgresReady(url):
            return _opens_a_session(url)
        case _:
            assert_never(readiness)


def wait_until_ready(readiness: Readiness, *, within: timedelta, alive: Callable[[], bool]) -> bool:
    """Look until it is ready, no longer alive, or the time is up."""
    until = time.monotonic() + within.total_seconds()
    while not is_ready(readiness):
        if time.monotonic() > until or not alive():
            return False
        time.sleep(POLL_INTERVAL.total_seconds())
    return True


def _answers_200(url: str) -> bool:
    # http.client, as an httpx client loads the certificate store each time it is made.
    target = urlsplit(url)
    connection = http.client.HTTPConnection(
        target.hostname or "", target.port, timeout=_ANSWER_WITHIN.total_seconds()
    )
    try:
        connection.request("GET", target.path or "/")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _opens_a_session(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True
