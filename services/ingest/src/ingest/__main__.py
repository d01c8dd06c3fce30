"""`ingest run`, `ingest migrate`."""

from chassis.cli import service_cli
from ingest.app import running
from ingest.settings import IngestSettings

cli = service_cli(IngestSettings, running)

if __name__ == "__main__":
    cli()
