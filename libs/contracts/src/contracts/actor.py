"""On whose behalf something happens. Every RPC carries an actor, and every handler checks it."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from contracts.ids import TenantId
from contracts.names import Service


class ActorKind(StrEnum):
    USER = "user"
    API_TOKEN = "api_token"  # noqa: S105 (a kind of actor, not a secret)
    ZOHO = "zoho"
    BLAUDIREKT = "blaudirekt"
    SCHEDULE = "schedule"
    SERVICE = "service"


class Role(StrEnum):
    """What an actor may do: a `user` looks, an `admin` changes, the `system` is one of our services
    at its own work."""

    USER = "user"
    ADMIN = "admin"
    SYSTEM = "system"


class Actor(BaseModel):
    """Who acts, for which tenant, with which role."""

    model_config = ConfigDict(frozen=True)

    kind: ActorKind
    id: str = Field(max_length=100, description="user name, token id, or service name; no personal data")
    tenant: TenantId
    role: Role

    @classmethod
    def of_service(cls, service: Service, tenant: TenantId) -> "Actor":
        """A service at its own work for one tenant."""
        return cls(kind=ActorKind.SERVICE, id=service, tenant=tenant, role=Role.SYSTEM)
