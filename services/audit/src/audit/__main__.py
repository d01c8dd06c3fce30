"""`audit run`, `audit migrate`."""

from audit.app import running
from audit.settings import Settings
from chassis.cli import service_cli

cli = service_cli(Settings, running)

if __name__ == "__main__":
    cli()
