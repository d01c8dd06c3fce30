"""The gateway's command line: `run`, `migrate`, `openapi`."""

import typer

from chassis.cli import service_cli
from gateway.app import running
from gateway.openapi import document
from gateway.settings import Settings

cli = service_cli(Settings, running)


@cli.command()
def openapi() -> None:
    """Print the OpenAPI document of the HTTP interface."""
    typer.echo(document(), nl=False)


if __name__ == "__main__":
    cli()
