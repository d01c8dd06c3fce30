"""Writes `docs/settings.md` from the settings classes: `python docs/settings.py`. A test says when stale."""

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from audit.settings import Settings as AuditSettings
from auth.settings import AuthSettings
from chassis.settings import ServiceSettings
from gateway.settings import Settings as GatewaySettings
from ingest.settings import IngestSettings
from sync.settings import SyncSettings

PAGE = Path(__file__).with_name("settings.md")
SERVICES: tuple[type[ServiceSettings], ...] = (
    IngestSettings, SyncSettings, AuthSettings, GatewaySettings, AuditSettings,
)  # fmt: skip

_HEAD = """\
# Settings

Made by `python docs/settings.py` from the settings classes; a test says when it is stale.

A service reads a setting from the environment variable of this name, or from a file of the same name in lower
case in `/run/secrets`. An empty variable counts as unset. Durations are ISO 8601 (`PT30S`, `P14D`) or
`HH:MM:SS`; where the default is a number, the name says the unit.
"""


def page() -> str:
    """The whole page."""
    common = ServiceSettings.model_fields
    parts = [_HEAD, "## Every service\n", "`<SERVICE>` is `INGEST`, `SYNC`, `AUTH`, `GATEWAY` or `AUDIT`.\n"]
    parts.append(_table("<SERVICE>", common.items()))
    for settings in SERVICES:
        own = [(name, field) for name, field in settings.model_fields.items() if name not in common]
        parts.append(f"## {settings.service.value}\n")
        parts.append(_table(settings.service.upper(), own))
    return "\n".join(parts)


def _table(prefix: str, fields: Iterable[tuple[str, FieldInfo]]) -> str:
    lines = ["| variable | default | |", "|---|---|---|"]
    for name, field in fields:
        words = (field.description or "").replace("|", "\\|")
        lines.append(f"| `{prefix}_{name.upper()}` | {_default(field)} | {words} |")
    return "\n".join([*lines, ""])


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    if field.default_factory is not None or field.default is PydanticUndefined:
        return "made at start"
    return _shown(field.default)


def _shown(value: Any) -> str:
    match value:
        case None | "":
            return "–"
        case SecretStr():
            return _shown(value.get_secret_value())
        case timedelta():
            return f"`{_iso(value)}`"
        case bool():
            return f"`{str(value).lower()}`"
        case _:
            return f"`{value}`"


def _iso(duration: timedelta) -> str:
    """The duration in the largest unit that it is a whole number of: `P14D`, `PT15M`, `PT8S`."""
    seconds = duration.total_seconds()
    for form, length in (("P{}D", 86_400), ("PT{}H", 3_600), ("PT{}M", 60)):
        if seconds and seconds % length == 0:
            return form.format(int(seconds // length))
    return f"PT{seconds:g}S"


if __name__ == "__main__":
    PAGE.write_text(page())
