"""`python -m sample_service run`: the sample as a process of its own."""

from chassis.cli import service_cli

from .app import running
from .settings import SampleSettings

service_cli(SampleSettings, running)()
