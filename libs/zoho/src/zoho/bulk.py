"""Bulk Write: up to 25,000 updates as one file and one job, which Zoho works off by itself.

Upload the file to the content host, create the job, ask for it until it has ended, fetch its result. Only
updates by record id are offered: that is all that Zoho's published schema allows to find records by. How a
lookup is to be given, schema and documentation do not agree on: leave it out. Whether a job starts workflow
rules is not documented.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any, cast
from urllib.parse import urlsplit

import httpx
from pydantic import Field, ValidationError

from vendor import (
    DEFAULT_TIMEOUTS,
    OPEN,
    Answer,
    Call,
    Finding,
    Gate,
    Timeouts,
    TokenSource,
    Transport,
    Verdict,
    path_id,
    shortened,
)
from vendor.errors import Rejected
from zoho.errors import assess
from zoho.models import ZohoModel
from zoho.transport import object_under, transport_to

MAX_ROWS = 25_000
MAX_COLUMNS = 200
MAX_FILE_BYTES = 25 * 1024 * 1024
"""Of the ZIP, by Zoho's own limit."""
MAX_RESULT_BYTES = 64 * 1024 * 1024
"""Of the unpacked result: a larger one is none of ours."""

_OF_THE_API = ("www.", "sandbox.", "developer.")
_OF_ZOHO = (".zoho.", ".zohoapis.", ".zohocrm.", ".zohocloud.")


class Author(ZohoModel):
    """The user in whose name a job writes."""

    id: str = ""


class CreatedJob(ZohoModel):
    """A job that Zoho has taken."""

    id: str
    created_by: Author = Author()


class JobResult(ZohoModel):
    """Where the result lies; Zoho keeps it for seven days."""

    download_url: str


class BulkJob(ZohoModel):
    """How far a job is. ``status`` is ADDED, IN PROGRESS, COMPLETED, FAILED or SKIPPED."""

    id: str = ""
    status: str = Field(default="")
    result: JobResult | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return self.status.upper() in {"COMPLETED", "FAILED", "FAILURE", "SKIPPED"}


class RowResult(ZohoModel):
    """What became of one row: ADDED, UPDATED, SKIPPED or UNPROCESSED."""

    record_id: str
    status: str
    errors: str = Field(default="", repr=False)

    @property
    def was_written(self) -> bool:
        return self.status in {"UPDATED", "ADDED"}


class BulkClient:
    """Client for bulk writes of one organisation; shares the HTTP connection pool."""

    def __init__(
        self,
        api_domain: str,
        token: TokenSource,
        http: httpx.AsyncClient,
        *,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
        gate: Gate = OPEN,
        content_url: str | None = None,
    ) -> None:
        """``content_url``: the host that takes files, where it is not that of the API's data centre."""
        api = api_domain.rstrip("/")
        self._content = (content_url or content_url_of(api)).rstrip("/")
        self._own_hosts = {urlsplit(api).netloc, urlsplit(self._content).netloc}

        def transport(base_url: str) -> Transport:
            return transport_to(base_url, token, http, timeouts=timeouts, gate=gate)

        self._transport_to = transport
        self._jobs = transport(f"{api}/crm")
        self._files = transport(f"{self._content}/crm/v8")

    async def upload(self, zgid: str, file_name: str, rows: bytes) -> str:
        """Upload a CSV as ZIP and return the file's id. Costs no credits; may be repeated."""
        packed = zipped(file_name, rows)
        if len(packed) > MAX_FILE_BYTES:
            raise ValueError(f"A bulk file has at most {MAX_FILE_BYTES} bytes, not {len(packed)}.")
        call = Call(
            "POST",
            "/upload",
            headers={"feature": "bulk-write", "X-CRM-ORG": zgid},
            file=(f"{file_name}.zip", packed),
            write=True,
        )
        answer = await self._files.send(call, assess=assess_upload)
        file_id = object_under(answer, "details").get("file_id")
        if not file_id:
            raise self._files.unreadable(call, answer)
        return str(file_id)

    async def start_update(
        self, module: str, file_id: str, file_name: str, columns: Sequence[str]
    ) -> CreatedJob:
        """Create the job that updates records by the file's column "id"; empty cells change nothing.

        Not idempotent: after ``outcome_unknown`` there may be a job whose id nobody knows.
        """
        body = {
            "operation": "update",
            "character_encoding": "UTF-8",
            "resource": [
                {
                    "type": "data",
                    "module": {"api_name": path_id(module)},
                    "file_id": file_id,
                    "file_names": [file_name],
                    "ignore_empty": True,
                    "find_by": "id",
                    "field_mappings": [
                        {"api_name": name, "index": index} for index, name in enumerate(columns)
                    ],
                }
            ],
        }
        call = Call("POST", "/bulk/v8/write", body=body, write=True)
        answer = await self._jobs.send(call)
        try:
            return CreatedJob.model_validate(object_under(answer, "details"))
        except ValidationError:
            pass
        raise self._jobs.unreadable(call, answer)

    async def get_job(self, job_id: str) -> BulkJob:
        """Return how far the job is."""
        call = Call("GET", f"/bulk/v8/write/{path_id(job_id)}")
        answer = await self._jobs.send(call)
        try:
            return BulkJob.model_validate(answer.json())
        except ValidationError:
            pass
        raise self._jobs.unreadable(call, answer)

    async def get_results(self, job: BulkJob) -> dict[str, RowResult]:
        """Return what became of each row, by record id; rows that Zoho does not name are missing."""
        if job.result is None:
            return {}
        url = job.result.download_url
        if url.startswith("/"):
            url = self._content + url
        parts = urlsplit(url)
        if parts.netloc not in self._own_hosts and not _is_of_zoho(parts.scheme, parts.hostname or ""):
            # The token travels along: to nobody but Zoho.
            raise Rejected("zoho", "zoho names a result at a host that is not Zoho's")
        place = self._transport_to(f"{parts.scheme}://{parts.netloc}{parts.path}")
        call = Call("GET", "", params=dict(httpx.QueryParams(parts.query)))
        answer = await place.send(call)
        try:
            return results_in(answer.body)
        except (ValueError, KeyError, zipfile.BadZipFile):
            pass
        raise place.unreadable(call, answer, why="the result is no ZIP with a table of results")


def content_url_of(api_url: str) -> str:
    """Return the host for files of the API's data centre; an API elsewhere takes them itself."""
    parts = urlsplit(api_url)
    for prefix in _OF_THE_API:
        if parts.netloc.startswith(f"{prefix}zohoapis."):
            return f"{parts.scheme}://content.{parts.netloc.removeprefix(prefix)}"
    return api_url


def table_of(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Return the rows as CSV with a header; what a row lacks is an empty cell."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return text.getvalue().encode()


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def zipped(name: str, content: bytes) -> bytes:
    """Return a ZIP that holds one file."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return packed.getvalue()


def results_in(packed: bytes) -> dict[str, RowResult]:
    """Return the rows of a result by record id. Raises ValueError, KeyError, BadZipFile."""
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        [first, *_] = archive.infolist()
        if first.file_size > MAX_RESULT_BYTES:
            raise ValueError("the result is too large")
        text = archive.read(first).decode("utf-8-sig")
    found: dict[str, RowResult] = {}
    for row in csv.DictReader(io.StringIO(text)):
        named = {str(name).strip().upper(): (value or "").strip() for name, value in row.items()}
        result = RowResult(
            record_id=named["RECORD_ID"],
            status=named["STATUS"].upper(),
            errors=shortened(named.get("ERRORS", "")),
        )
        found[result.record_id] = result
    return found


def assess_upload(answer: Answer) -> Finding:
    """Return the verdict on an upload: trouble with its headers has a shape of its own, with any status.

    ``{"ERROR_CODE", "ERROR_MESSAGE"}`` or ``{"info", "x-info"}``.
    """
    parsed = answer.json()
    body = cast("dict[str, Any]", parsed) if isinstance(parsed, dict) else {}
    code, words = body.get("ERROR_CODE") or body.get("info"), body.get("ERROR_MESSAGE") or body.get("x-info")
    if code and answer.status < 500:
        return Finding(Verdict.REJECTED, code=shortened(str(code), 64), words=shortened(str(words or "")))
    if body.get("status") == "error" and 200 <= answer.status < 300:
        return Finding(
            Verdict.REJECTED,
            code=shortened(str(body.get("code")), 64),
            words=shortened(str(body.get("message"))),
        )
    return assess(answer)


def _is_of_zoho(scheme: str, host: str) -> bool:
    """Whether the host is one of Zoho's: "download.zohocrm.com", "content.zohoapis.eu"."""
    name = f".{host}"
    return scheme == "https" and any(_ends_with_domain(name, domain) for domain in _OF_ZOHO)


def _ends_with_domain(name: str, domain: str) -> bool:
    """Whether after the domain comes nothing but a top level: ".zoho.evil.com" is not Zoho's."""
    before, found, top = name.rpartition(domain)
    return (
        bool(found)
        and before.count(".") <= 3
        and top in {"com", "eu", "in", "jp", "sa", "ca", "uk", "com.au", "com.cn"}
    )
