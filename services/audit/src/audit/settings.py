"""Settings of audit, each with its unit, default and reason."""

from typing import ClassVar

from pydantic import Field, SecretStr

from chassis.settings import ServiceSettings, settings_config
from contracts.names import Service


class Settings(ServiceSettings):
    service: ClassVar[Service] = Service.AUDIT
    model_config = settings_config(Service.AUDIT)

    opensearch_url: SecretStr = Field(description="http(s) URL of OpenSearch; may carry user:password")
    index_prefix: str = Field(
        default="mvp",
        pattern="^[a-z0-9][a-z0-9-]{0,39}$",
        description="indices are `<prefix>-events-YYYY.MM`",
    )
    retention: int = Field(
        default=24, ge=1, description="months that events stay searchable, besides the current one"
    )
    embedded: bool = Field(
        default=False, description="the store keeps everything in memory: fill it from EVENTS, and bound it"
    )
    embedded_documents: int = Field(
        default=10_000, ge=100, description="newest events that the memory-only store keeps"
    )
    bulk_events: int = Field(default=500, ge=1, le=2000, description="events indexed by one batch at most")
    bulk_wait_seconds: float = Field(
        default=0.3, gt=0, description="how long a batch may wait for more events: how late the log may be"
    )
    bulk_bytes: int = Field(
        default=1_000_000,
        ge=10_000,
        description="size of one bulk request: the memory-only store takes some 2 s for so much, and hears "
        "nothing else meanwhile",
    )
    page_bytes: int = Field(
        default=400_000, ge=10_000, description="events in one page of a search; a NATS reply holds 1 MB"
    )
