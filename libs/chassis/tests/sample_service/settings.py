"""The sample stands in for sync, since sync reads a work queue, answers RPCs and tells events."""

from typing import ClassVar

from chassis.settings import ServiceSettings, settings_config
from contracts.names import Service


class SampleSettings(ServiceSettings):
    model_config = settings_config(Service.SYNC)

    service: ClassVar[Service] = Service.SYNC

    handling_seconds: float = 0.0
