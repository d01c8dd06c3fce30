"""blau direkt's application: a delivery on demand."""

import asyncio
import time
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse

from sandbox.ameise.hierarchy import vermittler
from sandbox.blaudirekt.export import COLUMNS, ExportedTable, export_table
from sandbox.blaudirekt.sender import DeliveryError, Target, push
from sandbox.context import Context, call_of
from sandbox.state import Store


class Delivery(BaseModel):
    """What to send where."""

    model_config = ConfigDict(extra="forbid")

    hauptvermittler: str
    as_of: datetime | None = None
    """The moment whose state is sent; now by default. Without offset it is this machine's time."""
    target: Target
    encoding: Literal["utf-8", "utf-8-sig", "cp1252"] = "utf-8"
    tables: Annotated[list[str], Field(min_length=1)] | None = None
    """Some of the thirteen tables, all by default."""


def _export_and_push(store: Store, delivery: Delivery, tables: list[str], at: float) -> list[ExportedTable]:
    """Runs in a thread, with a connection of its own: WAL lets it read beside the writer."""
    reader = Store(store.path)
    try:
        exported = [
            export_table(reader, delivery.hauptvermittler, table, at=at, encoding=delivery.encoding)
            for table in tables
        ]
    finally:
        reader.close()
    push(delivery.target, exported)
    return exported


def create_blaudirekt(context: Context) -> FastAPI:
    """The application to be mounted at `/blaudirekt`."""
    app = FastAPI(title="blau direkt DailyUp (sandbox)", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.context = context

    @app.post("/deliveries")
    async def deliver(request: Request, delivery: Delivery) -> JSONResponse:
        """Export and push; answers when the last file has arrived."""
        start = time.perf_counter()
        call_of(request).world = delivery.hauptvermittler
        known = vermittler(context.store, delivery.hauptvermittler)
        if known is None or known.parent is not None:
            return JSONResponse({"error": f"no Hauptvermittler {delivery.hauptvermittler}"}, status_code=404)
        tables = delivery.tables or list(COLUMNS)
        unknown = [table for table in tables if table not in COLUMNS]
        if unknown:
            return JSONResponse({"error": f"no table {', '.join(unknown)}"}, status_code=400)
        at = time.time() if delivery.as_of is None else delivery.as_of.timestamp()
        try:
            sent = await asyncio.to_thread(_export_and_push, context.store, delivery, tables, at)
        except DeliveryError as error:
            return JSONResponse({"error": str(error)}, status_code=502)
        files: list[dict[str, Any]] = [
            {"name": table.name, "rows": table.rows, "bytes": len(table.content)} for table in sent
        ]
        return JSONResponse({"files": files, "seconds": round(time.perf_counter() - start, 3)})

    return app
