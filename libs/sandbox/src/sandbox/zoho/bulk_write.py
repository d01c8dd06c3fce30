"""Bulk Write: upload of a ZIP, a job, its status, its result. Updates by id only, as Zoho's schema says.

Files and jobs are kept in memory, as long as the process lives. A job is worked off when somebody asks for
it after `zoho_bulk_seconds`.
"""

import asyncio
import csv
import io
import time
import uuid
import zipfile
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.context import base_of
from sandbox.shapes import object_of, objects_of
from sandbox.zoho.access import Session, session_of
from sandbox.zoho.orgs import API_USER, zoho_time
from sandbox.zoho.problems import ZohoError, problem
from sandbox.zoho.schema import Module

MAX_FILE_BYTES = 25 * 1024 * 1024
MAX_ROWS = 25_000
MAX_COLUMNS = 200
SLICE = 500
"""Rows worked off before others have their turn."""

router = APIRouter()


@dataclass(slots=True)
class Job:
    """One bulk write."""

    module: Module
    mappings: list[dict[str, Any]]
    rows: list[list[str]]
    due_at: float
    status: str = "ADDED"
    results: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])
    """(STATUS, RECORD_ID, ERRORS) per row."""


_files: dict[tuple[str, str], dict[str, list[list[str]]]] = {}
"""(org, file id) → the rows of each CSV in the ZIP."""
_jobs: dict[tuple[str, str], Job] = {}


@router.post("/crm/v8/upload")
async def upload(request: Request) -> Response:
    """Take a ZIP with CSV files. What is wrong with the headers has a shape of its own."""
    session = session_of(request)
    if request.headers.get("feature") != "bulk-write":
        return JSONResponse(problem("NOT_SUPPORTED_FEATURE", "the feature is not supported"), status_code=400)
    if request.headers.get("X-CRM-ORG") != session.org.zgid:
        shape = {"ERROR_MESSAGE": "Invalid org", "ERROR_CODE": "INVALID_ORG", "x-error": "INVALID_ORG"}
        return JSONResponse(shape, status_code=403)
    content = _file_of(await request.body(), request.headers.get("Content-Type", ""))
    if content is None:
        return JSONResponse(problem("MANDATORY_NOT_FOUND", "the file is missing"), status_code=400)
    if len(content) > MAX_FILE_BYTES:
        return JSONResponse(problem("FILE_TOO_LARGE", "the file is larger than 25 MB"), status_code=413)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            tables = {
                name: list(csv.reader(io.StringIO(archive.read(name).decode())))
                for name in archive.namelist()
            }
    except (zipfile.BadZipFile, ValueError):
        return JSONResponse(
            problem("INVALID_FILE_FORMAT", "the file is no ZIP of CSV files"), status_code=400
        )
    file_id = session.org.next_id(session.context.store)
    _files[session.org.name, file_id] = tables
    details = {"file_id": file_id, "created_time": zoho_time(time.time())}
    body = {
        "status": "success",
        "code": "FILE_UPLOAD_SUCCESS",
        "message": "file uploaded.",
        "details": details,
    }
    return JSONResponse(body)


def _file_of(body: bytes, content_type: str) -> bytes | None:
    """The form's field "file"."""
    _, found, boundary = content_type.partition("boundary=")
    if not found:
        return None
    for part in body.split(b"--" + boundary.strip('"').encode()):
        head, separator, content = part.partition(b"\r\n\r\n")
        if separator and b'name="file"' in head:
            return content.removesuffix(b"\r\n")
    return None


@router.post("/crm/bulk/v8/write")
async def create_job(request: Request) -> JSONResponse:
    """Begin a job: 500 credits at Zoho."""
    session = session_of(request)
    try:
        body = object_of(await request.json())
    except ValueError:
        raise ZohoError(400, "INVALID_DATA", "the request body is not valid JSON") from None
    if body.get("operation") != "update":
        raise ZohoError(400, "INVALID_DATA", "the stand-in knows updates only", {"api_name": "operation"})
    resources = objects_of(body.get("resource"))
    if len(resources) != 1:
        raise ZohoError(400, "MANDATORY_NOT_FOUND", "required field not found", {"api_name": "resource"})
    [resource] = resources
    if resource.get("find_by") != "id":
        raise ZohoError(400, "MANDATORY_NOT_FOUND", "Required key find_by is not available")
    module = session.module(str(object_of(resource.get("module")).get("api_name")))
    tables = _files.get((session.org.name, str(resource.get("file_id"))), {})
    names = resource.get("file_names") or list(tables)
    if not tables or not set(names) <= set(tables):
        raise ZohoError(400, "INVALID_DATA", "invalid file", {"api_name": "file_id"})
    header, *rows = [row for name in names for row in tables[name]]
    if len(rows) > MAX_ROWS or len(header) > MAX_COLUMNS:
        raise ZohoError(400, "LIMIT_EXCEEDED", "too many rows or columns", {"limit": MAX_ROWS})
    id_ = session.org.next_id(session.context.store)
    due_at = time.time() + session.context.knobs.current.zoho_bulk_seconds
    _jobs[session.org.name, id_] = Job(module, objects_of(resource.get("field_mappings")), rows, due_at)
    author = session.org.user(API_USER)
    details = {"id": id_, "created_by": {"id": author["id"], "name": author["name"]}}
    created = {"status": "success", "code": "ADDED", "message": "success", "details": details}
    return JSONResponse(created, status_code=201)


@router.get("/crm/bulk/v8/write/{job_id}")
async def read_job(request: Request, job_id: str) -> JSONResponse:
    """How far it is."""
    session = session_of(request)
    job = _job_of(session, job_id)
    if job.status == "ADDED" and time.time() >= job.due_at:
        job.status = "IN PROGRESS"
        await _work_off(session, job)
        job.status = "COMPLETED"
    counts = {name: sum(r[0] == name for r in job.results) for name in ("ADDED", "UPDATED", "SKIPPED")}
    file = {
        "status": job.status,
        "total_count": len(job.rows),
        "added_count": counts["ADDED"],
        "updated_count": counts["UPDATED"],
        "skipped_count": counts["SKIPPED"],
    }
    body: dict[str, Any] = {
        "id": job_id,
        "status": job.status,
        "operation": "update",
        "resource": [{"type": "data", "module": {"api_name": job.module.api_name}, "file": file}],
        "result": None,
    }
    if job.status == "COMPLETED":
        body["result"] = {"download_url": f"{base_of(request)}/bulk-results/{job_id}.zip"}
    return JSONResponse(body)


@router.get("/bulk-results/{job_id}.zip")
async def download(request: Request, job_id: str) -> Response:
    """A ZIP with one CSV: STATUS, RECORD_ID, ERRORS."""
    job = _job_of(session_of(request), job_id)
    text = io.StringIO()
    csv.writer(text).writerows([("STATUS", "RECORD_ID", "ERRORS"), *job.results])
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{uuid.uuid4()}.csv", text.getvalue())
    return Response(packed.getvalue(), media_type="application/zip")


def _job_of(session: Session, job_id: str) -> Job:
    job = _jobs.get((session.org.name, job_id))
    if job is None:
        raise ZohoError(404, "RESOURCE_NOT_FOUND", "the job does not exist")
    return job


async def _work_off(session: Session, job: Job) -> None:
    """Update record by record; empty cells change nothing (`ignore_empty`)."""
    fires = session.context.knobs.current.zoho_bulk_fires_rules
    for start in range(0, len(job.rows), SLICE):
        items = [_item_of(job, row) for row in job.rows[start : start + SLICE]]
        outcomes = session.book.update(job.module, items, None)
        for item, outcome in zip(items, outcomes, strict=True):
            words = "" if outcome.ok else f"{outcome.body['code']}:{outcome.body['message']}"
            job.results.append(("UPDATED" if outcome.ok else "SKIPPED", str(item.get("id", "")), words))
        if fires:
            session.book.fire_rules(job.module, outcomes)
        await asyncio.sleep(0)


def _item_of(job: Job, row: list[str]) -> dict[str, Any]:
    item: dict[str, Any] = {}
    for mapping in job.mappings:
        name, index = str(mapping["api_name"]), int(mapping["index"])
        text = row[index] if index < len(row) else ""
        if text:
            item[name] = _typed(job.module, name, text)
    return item


def _typed(module: Module, name: str, text: str) -> Any:
    """The cell's text as the field's type; what does not fit stays text, and is refused with the record."""
    known = module.field(name)
    match known.data_type if known else "text":
        case "boolean":
            return {"true": True, "false": False}.get(text.lower(), text)
        case "integer" if text.lstrip("-").isdigit():
            return int(text)
        case "currency" | "double":
            try:
                return float(text)
            except ValueError:
                return text
        case _:
            return text
