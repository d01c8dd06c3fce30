"""The command line that every service has: `run` and `migrate`. A service adds its operators' commands."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

import typer

from chassis import process
from chassis.process import Foundation
from chassis.settings import ServiceSettings

S = TypeVar("S", bound=ServiceSettings)


def service_cli(
    settings: type[S], running: Callable[[S], AbstractAsyncContextManager[Foundation]]
) -> typer.Typer:
    """A typer application with the two commands; settings are read when a command runs."""
    cli = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)

    @cli.command()
    def run() -> None:  # pyright: ignore[reportUnusedFunction]
        """Run the service until it is told to stop."""
        process.run(settings(), running)  # pyright: ignore[reportCallIssue]

    @cli.command()
    def migrate() -> None:  # pyright: ignore[reportUnusedFunction]
        """Bring the database to the newest revision."""
        typer.echo(f"database is at revision {process.migrate_only(settings())}")  # pyright: ignore[reportCallIssue]

    return cli
