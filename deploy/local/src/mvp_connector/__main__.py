"""The command `mvp-connector`."""

import asyncio
import os
import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from .console import Console
from .instance import CannotStartError
from .parts import PartError
from .plan import Settings
from .stack import Stack
from .up import up as run_installation

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback()
def _commands() -> None:
    """The MVP-Connector on one machine."""


@app.command()
def up(
    *,
    data_dir: Annotated[Path, typer.Option(help="Everything that survives a restart.")] = Path(".data"),
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the web UI, API and webhooks.")] = 8080,
    host: Annotated[str, typer.Option(help="Address to listen on: web UI and FTP.")] = "127.0.0.1",
    sandbox: Annotated[
        bool, typer.Option("--sandbox/--no-sandbox", help="Stand-ins of Zoho, Ameise and blau direkt.")
    ] = True,
    demo: Annotated[
        bool, typer.Option("--demo/--no-demo", help="Play the demo once when all is ready.")
    ] = True,
    exit_after_demo: Annotated[
        bool, typer.Option(help="End with the demo; its result is the status.")
    ] = False,
    lossy_webhooks: Annotated[
        bool, typer.Option(help="In the demo, Zoho loses one webhook and sends the other twice.")
    ] = False,
) -> None:
    """Start the parts, the sandboxes and the five services; stay until Ctrl-C."""
    if exit_after_demo and not (demo and sandbox):
        raise typer.BadParameter("--exit-after-demo needs the demo and the sandbox")
    settings = Settings(
        data_dir=data_dir.absolute(),
        host=host,
        port=port,
        with_sandbox=sandbox,
        log_format="console" if sys.stdout.isatty() else "json",
        environment=dict(os.environ),
    )
    console = Console()
    try:
        status = asyncio.run(
            run_installation(
                settings,
                console,
                demo=partial(_play_demo, lossy=lossy_webhooks) if demo and sandbox else None,
                exit_after_demo=exit_after_demo,
            )
        )
    except (CannotStartError, PartError) as error:
        typer.echo(f"mvp-connector: {error}", err=True)
        status = 1
    raise typer.Exit(status)


async def _play_demo(stack: Stack, *, lossy: bool) -> bool:
    from . import demo  # noqa: PLC0415  (its clients take a while to import; the start does not wait for them)

    return await demo.play(stack, lossy=lossy)


def main() -> None:
    """Entry point of the console script."""
    app()


if __name__ == "__main__":
    main()
