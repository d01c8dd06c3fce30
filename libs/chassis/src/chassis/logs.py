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
    r"token|password|passwort|secret|authorization|cookie|api_?key|credential|code_verifier", re.IGNORECASE
)
_PERSONAL = frozenset(
    {
        "vorname", "nachname", "first_name", "last_name", "full_name", "account_name", "geburtsdatum",
        "date_of_birth", "email", "e_mail", "mail", "telefon", "phone", "mobil", "mobile", "fax", "strasse",
        "street", "iban", "bic", "plz", "ort", "anschrift", "wert", "benutzername_simplr",
    }
)  # fmt: skip
_URL_SECRET = re.compile(r"((?:_token|token|code|secret|password)=)[^&\s\"']+", re.IGNORECASE)
_URL_LOGIN = re.compile(r"(//[^/@\s:]+:)[^/@\s]+@")


def redact(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:  # noqa: ARG001
    """structlog processor: hide the values of secret and personal fields, and secrets inside URLs."""
    for key in list(event):
        event[key] = _redacted(key, event[key])
    return event


def _redacted(key: str, value: Any) -> Any:
    if key.lower() in _PERSONAL or (_SECRET.search(key) and not isinstance(value, bool)):
        return HIDDEN
    if isinstance(value, Mapping):
        items = cast("Mapping[Any, Any]", value).items()
        return {name: _redacted(str(name), inner) for name, inner in items}
    if isinstance(value, (list, tuple)):
        return [_redacted("", inner) for inner in cast("list[Any]", value)]
    if isinstance(value, str):
        return _URL_LOGIN.sub(rf"\g<1>{HIDDEN}@", _URL_SECRET.sub(rf"\g<1>{HIDDEN}", value))
    return value


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
