"""What the HTTP API takes and answers, where it is not an RPC's own model."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from contracts.ids import Kundennummer, TenantId, Uuid, ZohoId
from contracts.names import Service
from contracts.rpc.audit import CountField, LogFilter
from contracts.rpc.sync_parked import KundeOrVertrag

TenantName = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$"),
]


class NewTenant(BaseModel):
    model_config = ConfigDict(extra="forbid")

    id: TenantId
    name: TenantName


class TenantView(BaseModel):
    id: TenantId
    name: str
    created_at: datetime


class Tenants(BaseModel):
    tenants: tuple[TenantView, ...]


class Accepted(BaseModel):
    """Stored; it will be worked on within seconds."""

    message: Literal["OK"] = "OK"
    correlationid: Uuid


class RotateWebhook(BaseModel):
    """`keep_previous`: the token before stays good until the next rotation; false ends it within 10 s."""

    model_config = ConfigDict(extra="forbid")

    keep_previous: bool = True


class WebhookAccess(BaseModel):
    """What to enter in Zoho's webhook. The token is shown this once."""

    url: str
    method: Literal["POST"] = "POST"
    header: Literal["X-Webhook-Token"] = "X-Webhook-Token"
    token: str = Field(description="value of the header")
    body_parameter: str = Field(default="id", description="parameter that carries the record's id")
    body_value: str = Field(description="what Zoho puts in for it, like `${!Contacts.Id}`")


class LogFilterQuery(LogFilter):
    """The filter of the Aktivitätslog as query parameters; an unknown one is an error, since ignoring it
    would show more than was asked for. Times without an offset are UTC."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def as_filter(self) -> LogFilter:
        """The filter alone, with times in UTC."""
        values = self.model_dump(include=set(LogFilter.model_fields))
        return LogFilter.model_validate(values | {"since": _utc(self.since), "until": _utc(self.until)})


class LogQuery(LogFilterQuery):
    """One page of the Aktivitätslog."""

    limit: int = Field(default=50, ge=1, le=200)
    after: str | None = Field(default=None, max_length=200, description="`next_page` of the page before")


class LogCountQuery(LogFilterQuery):
    by: CountField = "type"


def _utc(at: datetime | None) -> datetime | None:
    if at is None:
        return None
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


class ServiceState(BaseModel):
    service: Service
    answers: bool
    detail: str | None = None


class Status(BaseModel):
    all_answer: bool
    services: tuple[ServiceState, ...]


class Forgotten(BaseModel):
    """What was erased, by service and place; `stopped_zoho_ids`: his records, which are kept away too."""

    kunde: Kundennummer
    at: datetime
    erased: dict[Service, dict[str, int]]
    stopped_zoho_ids: tuple[ZohoId, ...]


class Adopt(KundeOrVertrag):
    """What the Zoho record is."""

    model_config = ConfigDict(extra="forbid")
