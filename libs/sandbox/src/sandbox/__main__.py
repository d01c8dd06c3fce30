"""`mvp-sandbox run`: all stand-ins in one process on one port."""

from pathlib import Path
from typing import Annotated

import typer
import uvicorn

from sandbox.app import create_app
from sandbox.settings import Settings

KEEP_ALIVE_SECONDS = 75
"""Longer than clients keep idle connections, so that they never meet one that is just being closed."""

SHUTDOWN_SECONDS = 3
"""Answers that planned faults hold back longer than this are dropped at the end."""

main = typer.Typer(help="Stand-ins of Zoho CRM, Ameise and blau direkt.", no_args_is_help=True)


@main.callback()
def _commands() -> None:
    """Keep `run` a command of its own."""


@main.command()
def run(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Folder of the SQLite file.")] = None,
) -> None:
    """Serve until stopped."""
    given = {"host": host, "port": port, "data_dir": data_dir}
    settings = Settings.model_validate(
        {**Settings().model_dump(), **{name: value for name, value in given.items() if value is not None}}
    )
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        access_log=False,
        log_level="warning",
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )


if __name__ == "__main__":
    main()
