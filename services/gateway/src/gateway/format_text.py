"""The differences of a team's format as text that a person edits."""

import json
from typing import Any

from pydantic import ValidationError

from contracts.problems import Invalid
from contracts.rpc.ingest_format import FormatChanges
from gateway.faults import fault_words

_SHOWN_FAULTS = 5
_KEY = "[key]"
"""pydantic's place of a fault in the name of an entry."""


def as_text(changes: FormatChanges) -> str:
    """JSON, indented; nothing where nothing differs."""
    given = changes.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    return json.dumps(given, indent=2, ensure_ascii=False) if given else ""


def from_text(text: str) -> FormatChanges:
    """Raises Invalid, in words and with the place. Nothing is no difference."""
    if not text.strip():
        return FormatChanges()
    try:
        return FormatChanges.model_validate(json.loads(text))
    except json.JSONDecodeError as error:
        raise Invalid(f"Zeile {error.lineno}, Spalte {error.colno}: das ist kein gültiges JSON.") from error
    except RecursionError as error:
        raise Invalid("Das JSON ist zu tief geschachtelt.") from error
    except ValidationError as error:
        faults = [_in_words(fault) for fault in error.errors()[:_SHOWN_FAULTS]]
        raise Invalid("; ".join(faults) + ".") from error


def _in_words(fault: Any) -> str:
    path = list(fault["loc"])
    place = ".".join(str(step) for step in path if step != _KEY) or "Das Ganze"
    return f"{place}: {fault_words(fault)}"
