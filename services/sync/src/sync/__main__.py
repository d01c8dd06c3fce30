"""The command line: `sync run`, `sync migrate`."""

from chassis.cli import service_cli
from sync.app import running
from sync.settings import SyncSettings

cli = service_cli(SyncSettings, running)

if __name__ == "__main__":
    cli()
