"""The records of one org: insert, update, upsert and delete with Zoho's per-record outcomes.

Every element of an answer's `data` stands for the record at the same place in the request. Nothing here
knows HTTP but for the status that a set of outcomes adds up to.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from sandbox.shapes import object_of, objects_of
from sandbox.state import Store, Stored
from sandbox.zoho.firing import Firing, WebhookSender
from sandbox.zoho.orgs import API_USER, Org, zoho_time
from sandbox.zoho.problems import problem
from sandbox.zoho.schema import MODULES, Field, Module, module_id
from sandbox.zoho.values import RecordError, checked

Happening = Literal["create", "edit"]
RULE_KINDS: dict[Happening, tuple[str, ...]] = {
    "create": ("create", "create_or_edit"),
    "edit": ("edit", "create_or_edit"),
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one record: Zoho's words, and what workflow rules are to know."""

    body: dict[str, Any]
    happened: Happening | None = None
    record: dict[str, Any] | None = None

    @property
    def ok(self) -> bool:
        """Whether Zoho calls it a success."""
        return self.body["status"] == "success"


def status_of(outcomes: list[Outcome], success: int) -> int:
    """The HTTP status: `success` if all went well, 207 if mixed, 400 if none did (412: all were modified)."""
    good = sum(outcome.ok for outcome in outcomes)
    if good == len(outcomes):
        return success
    if good:
        return 207
    return 412 if all(outcome.body["code"] == "ALREADY_MODIFIED" for outcome in outcomes) else 400


class RecordBook:
    """The records of one org, written in the name of one of its users."""

    def __init__(self, store: Store, org: Org, webhooks: WebhookSender, *, author: int = API_USER) -> None:
        self._store = store
        self._org = org
        self._webhooks = webhooks
        self._author = org.user(author)

    def insert(self, module: Module, items: list[dict[str, Any]]) -> list[Outcome]:
        """Add records."""
        with self._store.transaction():
            return [self._guarded(self._insert, module, item, f"$.data[{n}]") for n, item in enumerate(items)]

    def update(
        self, module: Module, items: list[dict[str, Any]], unmodified_since: float | None
    ) -> list[Outcome]:
        """Change records, each named by its `id`."""
        with self._store.transaction():
            return [
                self._guarded(self._update_by_id, module, item, f"$.data[{n}]", unmodified_since)
                for n, item in enumerate(items)
            ]

    def upsert(
        self, module: Module, items: list[dict[str, Any]], fields: list[str], unmodified_since: float | None
    ) -> list[Outcome]:
        """Change the record that has the same value in one of `fields` (in that order), or add one."""
        with self._store.transaction():
            return [
                self._guarded(self._upsert, module, item, f"$.data[{n}]", fields, unmodified_since)
                for n, item in enumerate(items)
            ]

    def delete(self, module: Module, ids: list[str]) -> list[Outcome]:
        """Delete records."""
        return [self._delete(module, id_) for id_ in ids]

    def fire_rules(self, module: Module, outcomes: Iterable[Outcome]) -> None:
        """Fire the webhooks of the workflow rules that these outcomes meet."""
        met = [outcome for outcome in outcomes if outcome.happened is not None and outcome.record is not None]
        if not met:
            return
        rules = [stored.data for stored in self._store.all(self._org.world, "workflow_rule")]
        for rule in rules:
            if rule["module"]["api_name"] != module.api_name:
                continue
            webhooks = self._webhooks_of(rule)
            for outcome in met:
                if outcome.happened and rule["execute_when"]["type"] in RULE_KINDS[outcome.happened]:
                    for webhook in webhooks:
                        self._webhooks.fire(Firing(self._org, module, outcome.record or {}, webhook, rule))

    def _webhooks_of(self, rule: dict[str, Any]) -> list[dict[str, Any]]:
        actions = [
            action
            for condition in rule["conditions"]
            for action in objects_of(object_of(condition.get("instant_actions")).get("actions"))
            if action.get("type") == "webhooks"
        ]
        found = [self._store.get(self._org.world, "webhook", action["id"]) for action in actions]
        return [stored.data for stored in found if stored is not None]

    def _guarded(self, write: Any, *arguments: Any) -> Outcome:
        try:
            return write(*arguments)
        except RecordError as bad:
            return Outcome(bad.body)

    def _insert(self, module: Module, item: dict[str, Any], path: str) -> Outcome:
        values = self._checked(module, item, path)
        for field in module.fields:
            if field.mandatory and values.get(field.api_name) is None:
                where = {"api_name": field.api_name, "json_path": f"{path}.{field.api_name}"}
                raise RecordError("MANDATORY_NOT_FOUND", "required field not found", where)
        id_ = self._org.next_id(self._store)
        self._refuse_duplicates(module, values, id_, path)
        now = time.time()
        moment = zoho_time(now)
        record = {
            **{name: value for name, value in values.items() if value is not None},
            "id": id_,
            "Owner": values.get("Owner") or self._author,
            "Created_By": self._author,
            "Modified_By": self._author,
            "Created_Time": moment,
            "Modified_Time": moment,
        }
        self._write(module, record, now)
        return Outcome(_success("record added", record), "create", record)

    def _update_by_id(
        self, module: Module, item: dict[str, Any], path: str, unmodified_since: float | None
    ) -> Outcome:
        if item.get("id") in (None, ""):
            where = {"api_name": "id", "json_path": f"{path}.id"}
            raise RecordError("MANDATORY_NOT_FOUND", "required field not found", where)
        return self._update(module, self._existing(module, item["id"], path), item, path, unmodified_since)

    def _existing(self, module: Module, id_: object, path: str) -> Stored:
        stored = self._store.get(self._org.world, module.api_name, str(id_))
        if stored is None:
            where = {"api_name": "id", "json_path": f"{path}.id"}
            raise RecordError("INVALID_DATA", "the id given seems to be invalid", where)
        return stored

    def _update(
        self, module: Module, stored: Stored, item: dict[str, Any], path: str, unmodified_since: float | None
    ) -> Outcome:
        record = stored.data
        if unmodified_since is not None and int(stored.modified_at) > unmodified_since:
            message = "record updated time has already passed if-unmodified-since time"
            raise RecordError("ALREADY_MODIFIED", message, _details(record))
        values = self._checked(module, item, path)
        for name, value in values.items():
            field = module.field(name)
            if value is None and field is not None and field.mandatory:
                where = {"api_name": name, "json_path": f"{path}.{name}"}
                raise RecordError(
                    "INVALID_DATA", "invalid data", {"expected_data_type": field.data_type, **where}
                )
        changed = {name: value for name, value in values.items() if record.get(name) != value}
        if not changed:
            return Outcome(_success("record updated", record))
        self._refuse_duplicates(module, changed, stored.id, path)
        now = time.time()
        merged = {**record, **changed, "Modified_By": self._author, "Modified_Time": zoho_time(now)}
        kept = {name: value for name, value in merged.items() if value is not None}
        self._write(module, kept, now, searched=not module.searched_fields.isdisjoint(changed))
        return Outcome(_success("record updated", kept), "edit", kept)

    def _upsert(
        self,
        module: Module,
        item: dict[str, Any],
        path: str,
        fields: list[str],
        unmodified_since: float | None,
    ) -> Outcome:
        matches = self._matches(module, item, fields)
        if item.get("id"):
            target, field = self._existing(module, item["id"], path), None
        elif not matches:
            inserted = self._insert(module, item, path)
            body = {**inserted.body, "action": "insert", "duplicate_field": None}
            return Outcome(body, inserted.happened, inserted.record)
        else:
            field, id_ = matches[0]
            other = next((match for match in matches if match[1] != id_), None)
            if other is not None:
                raise self._duplicate(module, other[0], other[1], path)
            target = self._existing(module, id_, path)
        updated = self._update(module, target, item, path, unmodified_since)
        body = {**updated.body, "action": "update", "duplicate_field": field}
        return Outcome(body, updated.happened, updated.record)

    def _matches(self, module: Module, item: dict[str, Any], fields: list[str]) -> list[tuple[str, str]]:
        """Per field whose value meets a record, that field and the oldest such record."""
        matches: list[tuple[str, str]] = []
        for name in fields:
            value = item.get(name)
            if isinstance(value, str) and value.strip():
                ids = self._store.find(self._org.world, module.api_name, name, value)
                if ids:
                    matches.append((name, ids[0]))
        return matches

    def _checked(self, module: Module, item: dict[str, Any], path: str) -> dict[str, Any]:
        """The writable fields of an item, checked. Zoho passes over names that it does not know."""
        values: dict[str, Any] = {}
        for name, value in item.items():
            field = module.field(name)
            if field is None or field.read_only:
                continue
            stored = checked(field, value, f"{path}.{name}")
            if field.lookup and stored is not None:
                self._require_target(field, stored["id"], f"{path}.{name}")
            if field.data_type == "ownerlookup" and stored is not None:
                stored = self._owner(field, stored["id"], f"{path}.{name}")
            values[name] = stored
        return values

    def _owner(self, field: Field, id_: str, path: str) -> dict[str, Any]:
        user = self._org.active_user(id_)
        if user is None:
            where = {"api_name": field.api_name, "json_path": f"{path}.id"}
            raise RecordError("INVALID_DATA", "the id given seems to be invalid", where)
        return user

    def _require_target(self, field: Field, id_: str, path: str) -> None:
        if self._store.get(self._org.world, field.lookup, id_) is None:
            where = {"api_name": field.api_name, "json_path": f"{path}.id"}
            raise RecordError("INVALID_DATA", "the id given seems to be invalid", where)

    def _refuse_duplicates(self, module: Module, values: dict[str, Any], own_id: str, path: str) -> None:
        for field in module.fields:
            value = values.get(field.api_name)
            if field.unique and isinstance(value, str):
                for id_ in self._store.find(self._org.world, module.api_name, field.api_name, value):
                    if id_ != own_id:
                        raise self._duplicate(module, field.api_name, id_, path)

    def _duplicate(self, module: Module, field: str, id_: str, path: str) -> RecordError:
        duplicate = {
            "id": id_,
            "Owner": {"name": self._author["name"], "id": self._author["id"]},
            "module": {"api_name": module.api_name, "id": module_id(self._org.prefix, module)},
        }
        details = {
            "api_name": field,
            "json_path": f"{path}.{field}",
            "id": id_,
            "duplicate_record": duplicate,
            "more_records": False,
        }
        return RecordError("DUPLICATE_DATA", "duplicate data", details)

    def _write(self, module: Module, record: dict[str, Any], now: float, *, searched: bool = True) -> None:
        """`searched`: one of the values by which the record is found is new."""
        by = {name: [record[name]] for name in module.searched_fields if isinstance(record.get(name), str)}
        index = by if searched else None
        self._store.put(self._org.world, module.api_name, record["id"], record, index=index, at=now)

    def _delete(self, module: Module, id_: str) -> Outcome:
        if not self._store.remove(self._org.world, module.api_name, id_):
            return Outcome(problem("INVALID_DATA", "record not deleted", {"id": id_}))
        return Outcome(
            {"code": "SUCCESS", "details": {"id": id_}, "message": "record deleted", "status": "success"}
        )

    def shown(
        self, module: Module, record: dict[str, Any], fields: Iterable[str] | None = None
    ) -> dict[str, Any]:
        """A record as it is read: all fields (null where empty) or those asked for; lookups with names."""
        names = [field.api_name for field in module.fields] if fields is None else [*fields, "id"]
        out: dict[str, Any] = {}
        for name in names:
            field = module.field(name)
            if field is None:
                continue
            value = record.get(name)
            if field.lookup and value is not None:
                value = {"name": self._name_of(field.lookup, value["id"]), "id": value["id"]}
            elif name == "Full_Name":
                value = " ".join(filter(None, [record.get("First_Name"), record.get("Last_Name")]))
            out[name] = value
        return out

    def _name_of(self, module: str, id_: str) -> str | None:
        target = self._store.get(self._org.world, module, id_)
        return None if target is None else target.data.get(MODULES[module].name_field)


def _details(record: dict[str, Any]) -> dict[str, Any]:
    short = {
        name: {"name": record[name]["name"], "id": record[name]["id"]}
        for name in ("Created_By", "Modified_By")
    }
    return {
        "id": record["id"],
        "Created_Time": record["Created_Time"],
        "Modified_Time": record["Modified_Time"],
        **short,
    }


def _success(message: str, record: dict[str, Any]) -> dict[str, Any]:
    details = {**_details(record), "$approval_state": "approved"}
    return {"code": "SUCCESS", "details": details, "message": message, "status": "success"}
