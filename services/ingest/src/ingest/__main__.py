"""`ingest run`, `ingest migrate`, `ingest import PATH --tenant T [--dry-run]`."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from chassis.cli import service_cli
from chassis.database import Database
from chassis.outbox import Outbox
from chassis.settings import read_settings
from contracts.ids import TenantId
from contracts.names import Service
from contracts.problems import Problem
from contracts.rpc.ingest import DeliveryState
from ingest import report
from ingest.app import running
from ingest.by_hand import ByHand, files_at
from ingest.format_overrides import Formats
from ingest.settings import IngestSettings
from ingest.spool import Spool
from ingest.table_format import load_format
from ingest.tables import DeliveryRow

cli = service_cli(IngestSettings, running)


@cli.command("import")
def import_(
    path: Annotated[Path, typer.Argument(help="a file, or a folder with the files of one delivery")],
    tenant: Annotated[str, typer.Option(help="the team's short name")],
    *,
    dry_run: Annotated[bool, typer.Option(help="only say what the files would give")] = False,
) -> None:
    """Bring the files of a delivery by hand, and show what came of it; exit status 0 if it was imported."""
    console = Console()
    try:
        work = (
            _try_out(console, path, TenantId(tenant)) if dry_run else _import(console, path, TenantId(tenant))
        )
        imported = asyncio.run(work)
    except (Problem, ValueError, OSError) as error:
        console.print(_words(error), style="red", markup=False)
        raise typer.Exit(2) from error
    raise typer.Exit(0 if imported else 1)


def _words(error: Exception) -> str:
    """What happened, and what to do where that is known."""
    remedy = error.remedy if isinstance(error, Problem) else None
    return f"{error}: {remedy}" if remedy else f"{error}"


async def _try_out(console: Console, path: Path, tenant: TenantId) -> bool:
    async with _by_hand() as by_hand:
        samples = await by_hand.try_out(tenant, files_at(path))
    console.print(report.of_samples(samples))
    problems = [problem.model_dump() for _, seen in samples for problem in seen.problems]
    if said := report.of_problems(problems, sum(seen.problem_count for _, seen in samples)):
        console.print(said)
    return any(seen.table for _, seen in samples)


async def _import(console: Console, path: Path, tenant: TenantId) -> bool:
    files = files_at(path)
    async with _by_hand() as by_hand:
        with report.progress(console, files) as (bar, task):

            def on_state(row: DeliveryRow) -> None:
                bar.update(task, description=row.state, total=None)

            delivery = await by_hand.hand_in(
                tenant, files, copied=lambda file: bar.advance(task, file.stat().st_size)
            )
            row = await by_hand.wait_for(tenant, delivery, on_state)
    console.print(report.of_delivery(row))
    if said := report.of_problems(row.problems, row.problem_count):
        console.print(said)
    console.print(f"{row.id}: {row.state}" + (f" ({row.reason})" if row.reason else ""), markup=False)
    return row.state in (DeliveryState.IMPORTED, DeliveryState.IMPORTED_WITH_WARNINGS)


@asynccontextmanager
async def _by_hand() -> AsyncGenerator[ByHand]:
    settings = read_settings(IngestSettings)
    database, outbox = Database(settings.database_url, pool_size=2), Outbox(Service.INGEST)
    formats = Formats(load_format(settings.format_name), database, outbox)
    try:
        yield ByHand(settings, formats, database, outbox, Spool(settings.spool_dir))
    finally:
        await database.close()


if __name__ == "__main__":
    cli()
