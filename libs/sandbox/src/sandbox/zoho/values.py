"""Is a value good for a field? Zoho's rules by data type, with Zoho's words when it is not."""

import re
from datetime import date
from typing import Any

from sandbox.shapes import is_object, object_of
from sandbox.zoho.problems import problem
from sandbox.zoho.schema import Field

EMAIL = re.compile(r"[^@\s,;]+@[^@\s,;]+\.[^@\s.,;]{2,}")
PHONE = re.compile(r"[0-9a-zA-Z+ ./()\-,#;:*&]+")
WEBSITE = re.compile(r"(https?://|www\.)\S+|[\w-]+(\.[\w-]+)+(/\S*)?", re.IGNORECASE)
PATTERNS = {"email": EMAIL, "phone": PHONE, "website": WEBSITE}


class RecordError(Exception):
    """Carries the error of one record."""

    def __init__(self, code: str, message: str, details: dict[str, Any]) -> None:
        super().__init__(message)
        self.body = problem(code, message, details)


def checked(field: Field, value: Any, path: str) -> Any:
    """The value as Zoho stores it: trimmed, empty as null. `path` is e.g. `$.data[0].Email`.

    A lookup comes back as `{"id": ...}`; whether that record exists is asked elsewhere. Raises RecordError.
    """
    if isinstance(value, str):
        value = value.strip()
    if value is None or value == "":
        return None
    where = {"api_name": field.api_name, "json_path": path}
    match field.data_type:
        case "boolean":
            return _typed(value, bool, "boolean", where)
        case "integer":
            return _typed(value, int, "integer", where)
        case "currency" | "double":
            return _typed(value, (int, float), "double", where)
        case "date":
            return _date(value, where)
        case "lookup" | "ownerlookup":
            return _lookup(value, where)
        case "picklist":
            return _picklist(field, value, where)
        case _:
            return _text(field, value, where)


def _typed(value: Any, kind: type | tuple[type, ...], name: str, where: dict[str, Any]) -> Any:
    if not isinstance(value, kind) or (isinstance(value, bool) and name != "boolean"):
        raise RecordError("INVALID_DATA", "invalid data", {"expected_data_type": name, **where})
    return value


def _text(field: Field, value: Any, where: dict[str, Any]) -> str:
    name = field.data_type if field.data_type in PATTERNS else "text"
    if not isinstance(value, str):
        raise RecordError("INVALID_DATA", "invalid data", {"expected_data_type": name, **where})
    limit = field.maximum_length
    if limit is not None and len(value) > limit:
        raise RecordError("INVALID_DATA", "invalid data", {"maximum_length": limit, **where})
    pattern = PATTERNS.get(field.data_type)
    if pattern is not None and not pattern.fullmatch(value):
        raise RecordError("INVALID_DATA", "invalid data", {"expected_data_type": name, **where})
    return value


def _date(value: Any, where: dict[str, Any]) -> str:
    try:
        if isinstance(value, str) and len(value) == len("2000-01-01"):
            return date.fromisoformat(value).isoformat()
    except ValueError:
        pass
    raise RecordError("INVALID_DATA", "invalid data", {"expected_data_type": "date", **where}) from None


def _picklist(field: Field, value: Any, where: dict[str, Any]) -> str | None:
    if value == "-None-":
        return None
    if value not in field.values:
        raise RecordError("INVALID_DATA", "invalid data", {"supported_values": list(field.values), **where})
    return value


def _lookup(value: Any, where: dict[str, Any]) -> dict[str, str]:
    id_: object = object_of(value).get("id") if is_object(value) else value
    if not isinstance(id_, str | int) or not str(id_).isdigit():
        raise RecordError("INVALID_DATA", "invalid data", {"expected_data_type": "jsonobject", **where})
    return {"id": str(id_)}
