"""Shapes of foreign JSON: what was sent as an object or a list of objects, or nothing."""

from typing import Any, cast


def is_object(value: object) -> bool:
    """Whether JSON is an object."""
    return isinstance(value, dict)


def object_of(value: object) -> dict[str, Any]:
    """The object, empty when something else or nothing was sent."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def objects_of(value: object) -> list[dict[str, Any]]:
    """The objects of a list, none when something else or nothing was sent."""
    return [object_of(item) for item in cast("list[object]", value)] if isinstance(value, list) else []
