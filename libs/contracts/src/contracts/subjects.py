"""Every NATS subject of the connector. Nowhere else is one written."""

from typing import Final, Literal, TypeAlias

from contracts.ids import PipelineId, TenantId, ZohoId
from contracts.names import Service, Table

SYSTEM_TENANT: Final = "_system"
"""Stands for the tenant in events that concern none, or one that could not be verified."""

EventTenant: TypeAlias = TenantId | Literal["_system"]


def event(tenant: EventTenant, service: Service, name: str) -> str:
    """Where the event `name` of one service and tenant is published; `name` comes from an event class."""
    return f"event.{_checked(tenant)}.{service}.{name}"


def events_of(service: Service, tenant: EventTenant | None = None) -> str:
    """The filter for one service's events, of one tenant or of all."""
    return f"event.{'*' if tenant is None else _checked(tenant)}.{service}.>"


def to_ameise(tenant: TenantId, pipeline: PipelineId, zoho_id: ZohoId) -> str:
    """Where "look at this Zoho record" is published; one subject per record, so it can be coalesced."""
    return f"work.to_ameise.{TenantId(tenant)}.{PipelineId(pipeline)}.{ZohoId(zoho_id)}"


def to_zoho(tenant: TenantId, table: Table) -> str:
    """Where the chunks of changed objects of one table are published."""
    return f"work.to_zoho.{TenantId(tenant)}.{Table(table)}"


def rpc(service: Service, name: str) -> str:
    """Where requests to one RPC of a service go; `name` comes from an `Rpc`."""
    return f"rpc.{service}.{name}"


ALL_EVENTS: Final = "event.>"
ALL_TO_AMEISE: Final = "work.to_ameise.>"
ALL_TO_ZOHO: Final = "work.to_zoho.>"


def objects_of(bucket: str) -> tuple[str, str]:
    """Where the chunks and the descriptions of the objects in an object store bucket are published."""
    return f"$O.{bucket}.C.>", f"$O.{bucket}.M.>"


def inbox_prefix(service: Service) -> str:
    """A service's own inbox. Under a shared one, a service could read another's replies, tokens included."""
    return f"_INBOX_{service}"


def _checked(tenant: EventTenant) -> str:
    return tenant if tenant == SYSTEM_TENANT else TenantId(tenant)
