"""Logs are events with keys: `log.info("delivery.imported", tenant=..., rows=...)`.

JSON in production, readable on a terminal. The correlation id comes from the context. One processor
hides secrets and personal fields by their names, however deep they stand.
"""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Literal, cast

import structlog

from contracts.names import Service

HIDDEN = "***"
_SECRET = re.compile(
    r"token|password|passwort|secret|authorization|cookie|apikey|credential|codeverifier", re.IGNORECASE
)
_PERSONAL = frozenset(
    {
        "vorname", "nachname", "firstname", "lastname", "fullname", "accountname", "geburtsdatum",
        "dateofbirth", "email", "mail", "telefon", "phone", "mobil", "mobile", "fax", "strasse", "street",
        "iban", "bic", "plz", "ort", "anschrift", "wert", "benutzernamesimplr",
    }
)  # fmt: skip
_SECRET_IN_TEXT = re.compile(
    r"((?:token|password|passwort|secret|[?&]code)[\"']?\s*[=:]\s*[\"']?)[^&\s\"',;)}\]]+", re.IGNORECASE
)
_BEARER = re.compile(r"((?:bearer|basic|zoho-oauthtoken)\s+)[\w.~+/=-]{8,}", re.IGNORECASE)
# PostgreSQL repeats keys, whole rows ("Failing row contains (...)") and lines of the statement there.
_ROW_IN_ERROR = re.compile(r"((?:DETAIL|CONTEXT|LINE \d+):\s*).+")
# pydantic quotes what it could not read.
_INPUT_IN_ERROR = re.compile(r"(\binput_value=).*(?=, input_type=)")
_LOGIN_IN_URL = re.compile(r"(//[^/@\s:]*:)[^/\s]+@")


def redact(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:  # noqa: ARG001
    """structlog processor: hide the values of secret and personal fields however deep they stand, and
    secrets inside texts (URLs, headers, the representation of an object, errors of PostgreSQL and of
    pydantic)."""
    for key in list(event):
        event[key] = _redacted(key, event[key])
    return event


def _redacted(key: str, value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    name = re.sub(r"[^a-z]", "", key.lower())
    if name in _PERSONAL or _SECRET.search(name):
        return HIDDEN
    match value:
        case int() | float():
            return value
        case Mapping():
            items = cast("Mapping[Any, Any]", value).items()
            return {inner_key: _redacted(str(inner_key), inner) for inner_key, inner in items}
        case list() | tuple() | set() | frozenset():
            return [_redacted("", inner) for inner in cast("list[Any]", value)]
        case _:
            return _without_secrets(str(value))


def _without_secrets(text: str) -> str:
    for pattern in (_SECRET_IN_TEXT, _BEARER, _ROW_IN_ERROR, _INPUT_IN_ERROR):
        text = pattern.sub(rf"\g<1>{HIDDEN}", text)
    return _LOGIN_IN_URL.sub(rf"\g<1>{HIDDEN}@", text)


def configure(service: Service, *, form: Literal["console", "json"], level: str) -> None:
    """Set up structlog and route the standard library's loggers (uvicorn, alembic, ...) through it."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _service_name(service),
        structlog.processors.format_exc_info,
        redact,
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
            foreign_pre_chain=shared,
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for noisy in ("httpx", "httpcore", "alembic", "opensearch", "uvicorn.access", "pyftpdlib"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _service_name(service: Service) -> structlog.typing.Processor:
    def add(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:  # noqa: ARG001
        event["service"] = service.value
        return event

    return add
