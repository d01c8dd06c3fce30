"""A secret or a personal value does not reach the log, wherever it stands."""

import json
import string
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, TypeAdapter, ValidationError

from chassis.logs import HIDDEN, redact

VALUE = "s3cr3t-vAlue"


def redacted(**event: Any) -> str:
    return json.dumps(redact(None, "info", event))


@pytest.mark.parametrize(
    "key",
    [
        "token", "access_token", "refreshToken", "Password", "passwort", "client_secret", "client-secret",
        "Authorization", "api_key", "API-Key", "X-Api-Key", "cookie", "Set-Cookie", "SECRET_KEYS",
        "code_verifier", "session_credentials",
        "email", "E-Mail", "Vorname", "last_name", "First Name", "Geburtsdatum", "iban",
        "Benutzername_simplr",
    ],
)  # fmt: skip
def test_a_value_under_the_name_of_a_secret_or_of_a_personal_field_is_hidden(key: str) -> None:
    for value in (VALUE, [VALUE], {"inner": VALUE}, 4711, SecretStr(VALUE), VALUE.encode()):
        shown = redacted(**{key: value})
        assert HIDDEN in shown
        assert VALUE not in shown
        assert "4711" not in shown


SECRETS = st.text(string.ascii_letters + string.digits + "-_.~", min_size=8, max_size=40).map(
    lambda t: "Zz" + t
)
NAMES = st.sampled_from(["token", "password", "secret", "api_key", "authorization", "cookie"])
WRAPPINGS = st.lists(st.sampled_from(["list", "tuple", "dict", "set"]), max_size=4)


@given(secret=SECRETS, name=NAMES, prefix=st.sampled_from(["", "zoho_", "X-", "new"]), wrappings=WRAPPINGS)
def test_a_secret_under_a_secret_key_never_shows_however_deep_it_stands(
    secret: str, name: str, prefix: str, wrappings: list[str]
) -> None:
    value: Any = {prefix + name: secret}
    for wrapping in wrappings:
        match wrapping:
            case "list":
                value = [value, 1]
            case "tuple":
                value = (value,)
            case "set":
                value = [frozenset({"a"}), value]
            case _:
                value = {"inner": value, "other": None}
    assert secret not in redacted(payload=value)


@pytest.mark.parametrize(
    "text",
    [
        f"GET https://accounts.zoho.eu/oauth/v2/token?refresh_token={VALUE}&grant_type=x",
        f"https://example.org/callback?state=1&code={VALUE}",
        f"nats://sync:{VALUE}@127.0.0.1:4222",
        f"postgresql://sync_owner:{VALUE}@db/sync",
        f"redis://:{VALUE}@cache",
        f"Authorization: Bearer {VALUE}",
        f"Zoho-oauthtoken {VALUE}",
        f'{{"access_token": "{VALUE}", "scope": "x"}}',
        f"Settings(nats_password='{VALUE}')",
        f"duplicate key value\nDETAIL:  Key (mail)=({VALUE}) already exists.",
        f"null value\nDETAIL:  Failing row contains (1, {VALUE}, x).",
        f"invalid input syntax for type json\nLINE 1: ...CAST('{VALUE}' AS jsonb)",
    ],
)
def test_a_secret_inside_a_text_is_hidden_and_the_rest_stays(text: str) -> None:
    shown = redact(None, "info", {"event": "x", "error": text})["error"]
    assert VALUE not in shown
    assert shown.startswith(text[:4])
    assert HIDDEN in shown


def test_a_secret_inside_an_object_is_hidden() -> None:
    @dataclass
    class Login:
        user: str
        password: str

    assert VALUE not in redacted(login=Login("anna", VALUE))


@given(wrong=st.text(min_size=1).map(lambda text: f"{text}{VALUE}"))
def test_what_pydantic_could_not_read_is_not_quoted(wrong: str) -> None:
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(dict[str, int]).validate_python({"umsatz": wrong, "punkte": [VALUE]})
    shown = redact(None, "error", {"event": "x", "exception": str(refused.value)})["exception"]
    assert VALUE in str(refused.value)
    assert VALUE not in shown
    assert "umsatz" in shown
    assert "type=int_parsing" in shown


def test_what_is_no_secret_stays_as_it_is() -> None:
    event = {
        "event": "delivery.imported", "tenant": "berlin", "rows": 1000, "took": 1.5, "has_token": True,
        "reason": None, "tables": ["kunde", "vertrag"], "codes": {"code": "RECORD_LOCKED"},
    }  # fmt: skip
    assert redact(None, "info", dict(event)) == event


def test_a_moment_is_written_as_text() -> None:
    assert redact(None, "info", {"at": datetime(2025, 3, 9, tzinfo=UTC)})["at"] == "2025-03-09 00:00:00+00:00"


PROGRAM = f"""
import logging, structlog
from chassis import logs
from contracts.names import Service
logs.configure(Service.AUTH, form="%s", level="info")
log = structlog.get_logger()
with structlog.contextvars.bound_contextvars(correlationid="0190"):
    log.info("token.refreshed", access_token="{VALUE}", connection="c1")
    log.debug("not.shown")
    logging.getLogger("some.library").warning("login with password=%%s failed", "{VALUE}")
    try:
        raise ValueError("password={VALUE}")
    except ValueError:
        log.exception("it.failed")
"""


def output(form: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM % form], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout == ""
    return done.stderr


def test_json_lines_carry_service_level_time_and_chain_and_no_secrets() -> None:
    lines = [json.loads(line) for line in output("json").splitlines()]
    assert [(line["event"], line["level"]) for line in lines] == [
        ("token.refreshed", "info"),
        (f"login with password={HIDDEN} failed", "warning"),
        ("it.failed", "error"),
    ]
    assert all(line["service"] == "auth" and line["timestamp"].endswith("Z") for line in lines)
    assert all(line["correlationid"] == "0190" for line in lines)
    assert lines[0]["connection"] == "c1"
    assert VALUE not in json.dumps(lines)


def test_the_console_shows_no_secrets_either() -> None:
    shown = output("console")
    assert "token.refreshed" in shown
    assert VALUE not in shown
