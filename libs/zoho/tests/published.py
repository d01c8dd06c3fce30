"""Zoho's published OpenAPI files as a judge of our requests: `ZOHO_OAS_DIR`, by default a folder beside the
checkout. They are Zoho's, so no copy of them is kept here."""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import jsonschema_rs

FOLDER = Path(os.environ.get("ZOHO_OAS_DIR") or Path(__file__).parents[4] / "shared" / "zoho-oas")
IS_THERE = (FOLDER / "record.json").exists()
MISSING = f"no copy of Zoho's OpenAPI files at {FOLDER} (ZOHO_OAS_DIR)"

UNPUBLISHED = re.compile(r"/users")
"""Calls that no file describes."""
NOT_AS_SAID = {
    "ids": "1,024 characters in the files, 100 ids (1,999 characters) on the pages of the same API",
    "fields": "1,024 characters, and not for one record; its page has it, with 50 fields",
    "page_token": "100 characters; nothing says how long Zoho's own are",
    "from": "an example that became the only value",
    "to": "an example that became the only value",
    "wf_trigger": "not in the files; the pages of earlier versions have it, and so has Zoho's SDK",
    "include": "required, where the page of the fields' metadata has it as optional",
}
"""Parameters in which the files contradict Zoho's own pages, and what they say."""


@dataclass(frozen=True)
class Operation:
    """One operation of one file."""

    file: str
    path: str
    method: str
    body: dict[str, Any] | None
    parameters: tuple[dict[str, Any], ...]
    components: dict[str, Any]

    @property
    def pattern(self) -> re.Pattern[str]:
        return re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(self.path)))

    def problems_of_body(self, body: Any) -> list[str]:
        if self.body is None:
            return [] if body is None else ["no body is foreseen"]
        if body is None:
            return ["a body is missing"]
        return self._problems(self.body, body)

    def problems_of_query(self, query: dict[str, str]) -> list[str]:
        known = {p["name"]: p for p in self.parameters if p["in"] == "query"}
        judged = {name: text for name, text in query.items() if name not in NOT_AS_SAID}
        required = {name for name, p in known.items() if p.get("required")} - NOT_AS_SAID.keys()
        found = [f"{name} is no parameter" for name in judged if name not in known]
        found += [f"{name} is missing" for name in sorted(required - query.keys())]
        for name, text in judged.items():
            schema = known.get(name, {}).get("schema", {})
            value: Any = int(text) if schema.get("type") == "integer" and text.isdigit() else text
            found += [f"{name}: {problem}" for problem in self._problems(schema, value)]
        return found

    def _problems(self, schema: dict[str, Any], value: Any) -> list[str]:
        rooted = {**schema, "components": self.components}
        errors = jsonschema_rs.Draft202012Validator(rooted).iter_errors(value)
        return [f"{list(error.instance_path)}: {error.message}" for error in errors]


@cache
def operations() -> tuple[Operation, ...]:
    """Those of all files, the most literal paths first."""
    found = [operation for file in sorted(FOLDER.glob("*.json")) for operation in _operations_of(file)]
    return tuple(sorted(found, key=lambda operation: operation.path.count("{")))


def _operations_of(file: Path) -> Iterator[Operation]:
    whole = json.loads(file.read_text())
    components = whole.get("components", {})

    def resolved(node: dict[str, Any]) -> dict[str, Any]:
        kind, name = node["$ref"].split("/")[-2:] if "$ref" in node else ("", "")
        return components[kind][name] if name else node

    for path, item in whole["paths"].items():
        for method in ("get", "post", "put", "patch", "delete"):
            if method not in item:
                continue
            parameters = (*item.get("parameters", ()), *item[method].get("parameters", ()))
            body = resolved(item[method].get("requestBody", {})).get("content", {})
            yield Operation(
                file.name, path, method, body.get("application/json", {}).get("schema"),
                tuple(resolved(p) for p in parameters), components,
            )  # fmt: skip


def problems_of(method: str, url: str, content: bytes) -> list[str]:
    """What Zoho's files hold against a request below `/crm/v8`; nothing for what they do not describe."""
    path, _, query = url.partition("?")
    if UNPUBLISHED.fullmatch(path):
        return []
    for operation in operations():
        if operation.method == method.lower() and operation.pattern.fullmatch(path):
            body = json.loads(content) if content else None
            return operation.problems_of_body(body) + operation.problems_of_query(dict(parse_qsl(query)))
    return [f"no file knows {method} {path}"]
