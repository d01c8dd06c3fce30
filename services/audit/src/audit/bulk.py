"""Bulk requests, and what their answers mean, document by document. Pure."""

import json
from collections.abc import Iterator, Sequence
from enum import Enum, auto
from typing import Any

from audit.documents import Document
from audit.mapping import month_index


class Verdict(Enum):
    """What became of one document."""

    CREATED = auto()
    PRESENT = auto()
    """It was there before: the event came twice."""
    REFUSED = auto()
    """Its content does not fit the mapping, now or later."""
    BUSY = auto()
    """Not this document's fault: the same one can succeed later."""


def requests(
    documents: Sequence[Document], prefix: str, max_bytes: int
) -> Iterator[tuple[list[Document], bytes]]:
    """Documents in portions of at most `max_bytes` (a larger one goes alone), each with its request body."""
    portion: list[Document] = []
    body = bytearray()
    for document in documents:
        lines = _lines(document, prefix)
        if portion and len(body) + len(lines) > max_bytes:
            yield portion, bytes(body)
            portion, body = [], bytearray()
        portion.append(document)
        body += lines
    if portion:
        yield portion, bytes(body)


def _lines(document: Document, prefix: str) -> bytes:
    # `create`, not `index`: an event never changes, so the second time costs nothing.
    action = {"create": {"_index": month_index(prefix, document.month), "_id": document.id}}
    return b"".join(
        json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        for line in (action, document.body)
    )


def judge(item: dict[str, Any]) -> Verdict:
    """What one item of a bulk answer says.

    Only 400 is about the document (`mapper_parsing_exception`, `strict_dynamic_mapping_exception`, ...);
    403 is a block on the index (a full disk), 404 a missing index, 429 and 5xx a busy or broken node.
    """
    status = item["create"]["status"]
    if status in (200, 201):
        return Verdict.CREATED
    if status == 409:
        return Verdict.PRESENT
    return Verdict.REFUSED if status == 400 else Verdict.BUSY


def reason(item: dict[str, Any]) -> str:
    """Why, by the names of the errors. OpenSearch's sentence is left out: it quotes the field's value."""
    error: dict[str, Any] = item["create"].get("error") or {}
    cause: dict[str, Any] = error.get("caused_by") or {}
    names: list[str | None] = [error.get("type"), cause.get("type")]
    return "the index refuses it: " + ", ".join(name for name in names if name)
