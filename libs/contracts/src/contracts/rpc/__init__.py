"""Requests and replies between services: core NATS request/reply on `rpc.{service}.{name}`.

An `Rpc` value names one of them with its two models, who may call it, the least role that it asks of
the actor, and the events that its handler tells (or why it tells none).
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from contracts import subjects
from contracts.actor import Actor, Role
from contracts.events import EventData
from contracts.ids import Uuid
from contracts.names import Service
from contracts.problems import ProblemDetails


class RpcModel(BaseModel):
    """What requests and replies are made of: frozen, and unknown fields of a newer release are ignored."""

    model_config = ConfigDict(frozen=True)


Req = TypeVar("Req", bound=RpcModel)
Res = TypeVar("Res", bound=RpcModel)


@dataclass(frozen=True, slots=True)
class Rpc(Generic[Req, Res]):
    """One thing that a service can be asked.

    `events` are what its handler tells; a handler that tells nothing says why in `silent_because`.
    """

    service: Service
    name: str
    request: type[Req]
    reply: type[Res]
    callers: frozenset[Service]
    role: Role = Role.USER
    events: tuple[type[EventData], ...] = ()
    silent_because: str | None = None
    timeout: timedelta = timedelta(seconds=5)

    def __post_init__(self) -> None:
        if bool(self.events) == bool(self.silent_because):
            raise ValueError(f"{self.subject}: name the events it tells, or why it tells none")

    @property
    def subject(self) -> str:
        return subjects.rpc(self.service, self.name)


class RpcCall(BaseModel):
    """The envelope of a request."""

    model_config = ConfigDict(frozen=True)

    actor: Actor
    correlationid: Uuid
    causationid: Uuid | None = None
    body: dict[str, Any]


class RpcReply(BaseModel):
    """The envelope of a reply: either a `body` or a `problem`."""

    model_config = ConfigDict(frozen=True)

    body: dict[str, Any] | None = None
    problem: ProblemDetails | None = None


class Empty(RpcModel):
    """Nothing to say."""
