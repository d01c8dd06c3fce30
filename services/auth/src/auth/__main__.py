"""`auth run`, `auth migrate`."""

from auth.app import running
from auth.settings import AuthSettings
from chassis.cli import service_cli

cli = service_cli(AuthSettings, running)

if __name__ == "__main__":
    cli()
