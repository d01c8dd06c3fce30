"""The command line that every service has: `run` and `migrate`. A service adds its operators' commands."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

import typer

from chassis import process
from chassis.process import Foundation
from chassis.settings import ServiceSettings, SettingsUnusable, read_settings

S = TypeVar("S", bound=ServiceSettings)


def service_cli(
    settings: type[S], running: Callable[[S], AbstractAsyncContextManager[Foundation]]
) -> typer.Typer:
    """A typer application with the two commands; settings are read when a command runs."""
    cli = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)

    @cli.command()
    def run() -> None:  # pyright: ignore[reportUnusedFunction]
        """Run the service until it is told to stop."""
        process.run(_read(settings), running)

    @cli.command()
    def migrate() -> None:  # pyright: ignore[reportUnusedFunction]
        """Bring the database to the newest revision."""
        typer.echo(f"database is at revision {process.migrate_only(_read(settings))}")

    return cli


def _read(settings: type[S]) -> S:
    try:
        return read_settings(settings)
    except SettingsUnusable as unusable:
        typer.echo(f"cannot start: {unusable} (see docs/settings.md)", err=True)
        raise typer.Exit(2) from None
