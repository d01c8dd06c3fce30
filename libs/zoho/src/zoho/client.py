"""Zoho CRM's API, version 8, for one organisation.

Everything raises the errors of ``zoho.errors``. Writes of records differ in one point: Zoho judges each
record by itself, so they return a ``RecordResult`` per record, in order, and raise only where the call as a
whole failed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, TypeVar, cast

import httpx
from pydantic import ValidationError

from vendor import (
    DEFAULT_TIMEOUTS,
    OPEN,
    Answer,
    Call,
    Gate,
    Timeouts,
    TokenSource,
    Verdict,
    path_id,
)
from zoho.dates import format_moment
from zoho.errors import assess, assess_results
from zoho.models import (
    DeletedRecord,
    FieldMeta,
    Layout,
    Module,
    Org,
    Record,
    RecordResult,
    User,
    WebhookFailure,
    ZohoModel,
)
from zoho.transport import object_under, transport_to
from zoho.webhooks import Webhook, WorkflowRule

MAX_RECORDS = 100
"""Records of one write or deletion, and ids of one read."""
MAX_FIELDS = 50
"""Fields that one read may ask for."""
PAGE_SIZE = 200
"""Records of one page, Zoho's maximum."""

_EMPTY = frozenset({204, 304})
_Model = TypeVar("_Model", bound=ZohoModel)


class ZohoClient:
    """Client for one organisation; shares the HTTP connection pool, which its owner closes."""

    def __init__(
        self,
        api_domain: str,
        token: TokenSource,
        http: httpx.AsyncClient,
        *,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
        gate: Gate = OPEN,
    ) -> None:
        """Take the ``api_domain`` of the token answer, like "https://www.zohoapis.eu"."""
        url = f"{api_domain.rstrip('/')}/crm/v8"
        self._transport = transport_to(url, token, http, timeouts=timeouts, gate=gate)

    # -- organisation and metadata --------------------------------------------------------------------------

    async def get_org(self) -> Org:
        """Return the organisation that the token belongs to."""
        return await self._first(Org, Call("GET", "/org"), "org")

    async def get_current_user(self) -> User:
        """Return the user in whose name the token works."""
        return await self._first(User, Call("GET", "/users", params={"type": "CurrentUser"}), "users")

    async def list_active_users(self) -> list[User]:
        """Return the users who can sign in.

        A token without the scope ZohoCRM.users.READ is refused: Rejected, OAUTH_SCOPE_MISMATCH.
        """
        params = {"type": "ActiveUsers", "per_page": str(PAGE_SIZE)}
        return [user async for user in self._numbered_pages(User, "/users", "users", params, {})]

    async def list_modules(self) -> list[Module]:
        """Return all modules, those without API access too."""
        return await self._all(Module, Call("GET", "/settings/modules"), "modules")

    async def list_fields(self, module: str) -> list[FieldMeta]:
        """Return the fields of all layouts of the module that the user may see."""
        call = Call("GET", "/settings/fields", params={"module": path_id(module)})
        return await self._all(FieldMeta, call, "fields")

    async def list_layouts(self, module: str) -> list[Layout]:
        """Return the layouts of the module."""
        call = Call("GET", "/settings/layouts", params={"module": path_id(module)})
        return await self._all(Layout, call, "layouts")

    # -- reading records ------------------------------------------------------------------------------------

    async def get_record(
        self, module: str, record_id: str, fields: Sequence[str] | None = None
    ) -> Record | None:
        """Return the record, None if there is none or the user may not see it (Zoho answers 204 for both).

        Without ``fields`` all visible ones. More than 50 are read as all, in the same single call.
        """
        asked = [] if fields is None or len(fields) > MAX_FIELDS else list(fields)
        params = {"fields": ",".join(asked)} if asked else {}
        call = Call("GET", f"/{path_id(module)}/{path_id(record_id)}", params=params)
        answer = await self._transport.send(call)
        records = self._records(call, answer)
        if not records:
            return None
        if fields is None:
            return records[0]
        return {name: value for name, value in records[0].items() if name == "id" or name in set(fields)}

    async def get_records(self, module: str, ids: Sequence[str], fields: Sequence[str]) -> dict[str, Record]:
        """Return the records by id, in calls of at most 100 ids and 50 fields; what is gone is missing.

        If more than one call is needed for the fields, Modified_Time is read by the first, so that a change
        between the calls makes a later write Stale instead of going unseen.
        """
        wanted = [name for name in dict.fromkeys(fields) if name != "id"]
        if len(wanted) > MAX_FIELDS:
            wanted = ["Modified_Time", *(name for name in wanted if name != "Modified_Time")]
        merged: dict[str, Record] = {}
        for some_ids in _chunks([path_id(record_id) for record_id in ids], MAX_RECORDS):
            for number, some_fields in enumerate(_chunks(wanted or ["id"], MAX_FIELDS)):
                params = {
                    "ids": ",".join(some_ids),
                    "fields": ",".join(some_fields),
                    "per_page": str(PAGE_SIZE),
                }
                call = Call("GET", f"/{path_id(module)}", params=params)
                for record in self._records(call, await self._transport.send(call)):
                    if number == 0:
                        merged[record["id"]] = record
                    elif record["id"] in merged:  # else it appeared between two calls: found next time
                        merged[record["id"]] = {**record, **merged[record["id"]]}
        return merged

    async def list_modified(
        self, module: str, since: datetime | None, fields: Sequence[str]
    ) -> AsyncIterator[Record]:
        """Yield the records modified at or after ``since`` (all, if None), in Zoho's own order.

        No sorting is asked for, since that would count against Zoho's limit of ten complex calls at a time.
        Zoho ends at 100,000 records with Rejected, PAGINATION_LIMIT_EXCEEDED. Formula and roll-up fields
        change without a new Modified_Time.
        """
        wanted = [name for name in dict.fromkeys(["Modified_Time", *fields]) if name != "id"]
        headers = {} if since is None else {"If-Modified-Since": format_moment(since)}
        params = {"fields": ",".join(wanted[:MAX_FIELDS]), "per_page": str(PAGE_SIZE)}
        while True:
            call = Call("GET", f"/{path_id(module)}", params=params, headers=headers)
            answer = await self._transport.send(call)
            page = self._records(call, answer)
            rest: dict[str, Record] = {}
            if len(wanted) > MAX_FIELDS:
                rest = await self.get_records(module, [r["id"] for r in page], wanted[MAX_FIELDS:])
            for record in page:
                yield {**rest.get(record["id"], {}), **record}
            info = object_under(answer, "info")
            if not info.get("more_records"):
                return
            token = info.get("next_page_token")
            if not token:  # never stop silently in the middle
                raise self._transport.unreadable(call, answer, why="more_records without next_page_token")
            params = {**params, "page_token": str(token)}

    async def select_after(
        self, module: str, after: str, fields: Sequence[str], *, since: datetime | None = None
    ) -> list[Record]:
        """Return up to 200 records by COQL in the order of their ids, from behind ``after`` on ("0" is the
        beginning); fewer than 200 mean that there are no more. One credit a call, and no end at 100,000.

        Counts against Zoho's limit of ten complex calls at a time. Raises ValueError for more than 50 fields.
        """
        names = [path_id(name) for name in dict.fromkeys(["id", *fields])]
        if len(names) > MAX_FIELDS:
            raise ValueError(f"COQL gives {MAX_FIELDS} fields at a time, not {len(names)}.")
        where = f"id > '{path_id(after)}'"
        if since is not None:
            where = f"({where} and Modified_Time >= '{format_moment(since)}')"
        query = (
            f"select {', '.join(names)} from {path_id(module)} where {where} "  # noqa: S608 (names, ids)
            f"order by id asc limit {PAGE_SIZE}"
        )
        call = Call("POST", "/coql", body={"select_query": query})
        return self._records(call, await self._transport.send(call))

    async def list_deleted(self, module: str, since: datetime | None = None) -> AsyncIterator[DeletedRecord]:
        """Yield the records deleted at or after ``since``, from the recycle bin and for good."""
        headers = {} if since is None else {"If-Modified-Since": format_moment(since)}
        params = {"type": "all", "per_page": str(PAGE_SIZE)}
        path = f"/{path_id(module)}/deleted"
        async for item in self._numbered_pages(DeletedRecord, path, "data", params, headers):
            yield item

    # -- writing records ------------------------------------------------------------------------------------

    async def insert(
        self, module: str, records: Sequence[Record], *, trigger: Sequence[str] = ()
    ) -> list[RecordResult]:
        """Insert 1 to 100 records. Not idempotent: after ``outcome_unknown`` look before you ask again.

        ``trigger`` names what runs in Zoho (workflow, approval, blueprint); () runs nothing, so no webhook
        of a workflow rule comes back to us.
        """
        return await self._write_records("POST", f"/{path_id(module)}", records, {"trigger": list(trigger)})

    async def update(
        self,
        module: str,
        records: Sequence[Record],
        *,
        if_unmodified_since: datetime | None = None,
        trigger: Sequence[str] = (),
    ) -> list[RecordResult]:
        """Change the given fields of 1 to 100 records, each with its "id".

        A record modified after ``if_unmodified_since`` is left as it is; its result's error is Stale.
        """
        headers: dict[str, str] = {}
        if if_unmodified_since is not None:
            headers["If-Unmodified-Since"] = format_moment(if_unmodified_since)
        body = {"trigger": list(trigger)}
        return await self._write_records("PUT", f"/{path_id(module)}", records, body, headers)

    async def upsert(
        self,
        module: str,
        records: Sequence[Record],
        *,
        duplicate_check_fields: Sequence[str],
        if_unmodified_since: datetime | None = None,
        trigger: Sequence[str] = (),
    ) -> list[RecordResult]:
        """Insert or update 1 to 100 records, found by ``duplicate_check_fields`` and by nothing else.

        A record that is there, and was modified after ``if_unmodified_since``, is left as it is; its result's
        error is Stale.

        Left out, Zoho would look for Contacts by Email and for Accounts by name, and so merge a family that
        shares an address: name our own unique field.
        """
        if not duplicate_check_fields:
            raise ValueError("upsert needs the field by which a record is found again.")
        headers: dict[str, str] = {}
        if if_unmodified_since is not None:
            headers["If-Unmodified-Since"] = format_moment(if_unmodified_since)
        body = {"duplicate_check_fields": list(duplicate_check_fields), "trigger": list(trigger)}
        return await self._write_records("POST", f"/{path_id(module)}/upsert", records, body, headers)

    async def delete(self, module: str, ids: Sequence[str]) -> list[RecordResult]:
        """Delete 1 to 100 records into Zoho's recycle bin; runs no workflows. A result per id, in order.

        A record that is not there is Rejected, INVALID_DATA.
        """
        if not 1 <= len(ids) <= MAX_RECORDS:
            raise ValueError(f"A deletion takes 1 to {MAX_RECORDS} records, not {len(ids)}.")
        params = {"ids": ",".join(path_id(record_id) for record_id in ids), "wf_trigger": "false"}
        call = Call("DELETE", f"/{path_id(module)}", params=params, write=True)
        answer = await self._transport.send(call, assess=assess_results)
        items = self._items(call, answer, "data")
        results = [self._validate(RecordResult, item, call, answer) for item in items]
        named = {str(result.details.get("id") or ""): result for result in results}
        if len(results) == len(ids) and named.keys() >= set(ids):
            return [named[record_id] for record_id in ids]
        finding = assess(answer)
        if finding.verdict is Verdict.OK:
            why = f"results for {len(named)} of {len(ids)} records"
            raise self._transport.unreadable(call, answer, why=why)
        message = f"zoho answered {answer.status} {finding.code} to {call}"
        raise finding.error("zoho", message, status=answer.status)

    # -- automation -----------------------------------------------------------------------------------------

    async def create_webhook(self, webhook: Webhook) -> str:
        """Create the webhook and return its id; bind it by a workflow rule."""
        return await self._create_setting("/settings/automation/webhooks", "webhooks", webhook.body())

    async def create_workflow_rule(self, rule: WorkflowRule) -> str:
        """Create the rule, active at once, and return its id."""
        path = "/settings/automation/workflow_rules"
        return await self._create_setting(path, "workflow_rules", rule.body())

    async def list_webhook_failures(
        self, *, start: date, end: date, module: str | None = None, webhook_id: str | None = None
    ) -> AsyncIterator[WebhookFailure]:
        """Yield the calls of workflow webhooks that failed between two days, at most 90 apart."""
        params = {"from": start.isoformat(), "to": end.isoformat(), "per_page": str(PAGE_SIZE)}
        if module is not None:
            params["module"] = module
        if webhook_id is not None:
            params["webhook_id"] = webhook_id
        path = "/settings/automation/webhook_failures"
        async for failure in self._numbered_pages(WebhookFailure, path, "webhook_failures", params, {}):
            yield failure

    # -- how it is asked and read ---------------------------------------------------------------------------

    async def _write_records(
        self,
        method: str,
        path: str,
        records: Sequence[Record],
        body: Mapping[str, Any],
        headers: Mapping[str, str] | None = None,
    ) -> list[RecordResult]:
        if not 1 <= len(records) <= MAX_RECORDS:
            raise ValueError(f"A write takes 1 to {MAX_RECORDS} records, not {len(records)}.")
        whole = {"data": [dict(record) for record in records], **body}
        call = Call(method, path, body=whole, headers=headers or {}, write=True)
        answer = await self._transport.send(call, assess=assess_results)
        items = self._items(call, answer, "data")
        if len(items) != len(records):
            # Results belong to records by position alone, so these belong to none.
            finding = assess(answer)
            if finding.verdict is Verdict.OK:
                why = f"{len(items)} results for {len(records)} records"
                raise self._transport.unreadable(call, answer, why=why)
            message = f"zoho answered {answer.status} {finding.code} to {call}"
            raise finding.error("zoho", message, status=answer.status)
        return [self._validate(RecordResult, item, call, answer) for item in items]

    async def _create_setting(self, path: str, key: str, body: Mapping[str, Any]) -> str:
        call = Call("POST", path, body=body, write=True)
        answer = await self._transport.send(call)
        for item in self._items(call, answer, key)[:1]:
            result = self._validate(RecordResult, item, call, answer)
            error = result.error()
            if error is not None:
                raise error
            if result.id:
                return result.id
        raise self._transport.unreadable(call, answer)

    async def _numbered_pages(
        self, model: type[_Model], path: str, key: str, params: Mapping[str, str], headers: Mapping[str, str]
    ) -> AsyncIterator[_Model]:
        page = 1
        while True:
            call = Call("GET", path, params={**params, "page": str(page)}, headers=headers)
            answer = await self._transport.send(call)
            for item in self._items(call, answer, key):
                yield self._validate(model, item, call, answer)
            if not object_under(answer, "info").get("more_records"):
                return
            page += 1

    async def _all(self, model: type[_Model], call: Call, key: str) -> list[_Model]:
        answer = await self._transport.send(call)
        return [self._validate(model, item, call, answer) for item in self._items(call, answer, key)]

    async def _first(self, model: type[_Model], call: Call, key: str) -> _Model:
        answer = await self._transport.send(call)
        for item in self._items(call, answer, key):
            return self._validate(model, item, call, answer)
        raise self._transport.unreadable(call, answer)

    def _records(self, call: Call, answer: Answer) -> list[Record]:
        records = [_ids_as_text(item) for item in self._items(call, answer, "data")]
        if not all(isinstance(record.get("id"), str) for record in records):
            raise self._transport.unreadable(call, answer, why="a record without id")
        return records

    def _items(self, call: Call, answer: Answer, key: str) -> list[dict[str, Any]]:
        """Return the objects under the key; none for 204 and 304, which have no body."""
        if answer.status in _EMPTY:
            return []
        parsed = answer.json()
        found = cast("dict[str, Any]", parsed).get(key) if isinstance(parsed, dict) else None
        items = cast("list[Any]", found) if isinstance(found, list) else [None]
        if not all(isinstance(item, dict) for item in items):
            raise self._transport.unreadable(call, answer)
        return cast("list[dict[str, Any]]", items)

    def _validate(self, model: type[_Model], value: object, call: Call, answer: Answer) -> _Model:
        try:
            return model.model_validate(value)
        except ValidationError as error:
            fields = sorted({".".join(str(part) for part in item["loc"]) for item in error.errors()})
        # Raised outside of the except: pydantic's error carries the values.
        raise self._transport.unreadable(call, answer, why=f"Unexpected: {', '.join(fields)}")


def _chunks(items: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _ids_as_text(value: Any) -> Any:
    """Return the JSON value with every "id" as text, in lookups and subforms too."""
    if type(value) is str:  # first, since nearly all values are
        return value
    if isinstance(value, list):
        return [_ids_as_text(item) for item in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    return {
        key: str(item) if key == "id" and isinstance(item, int) else _ids_as_text(item)
        for key, item in cast("dict[str, Any]", value).items()
    }
