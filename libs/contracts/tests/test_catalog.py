"""Every RPC says what it does to the world, and reaches exactly who may call it."""

from collections import Counter
from typing import Any

import pytest

from contracts.actor import Role
from contracts.names import Service
from contracts.permissions import publish_subjects, subscribe_subjects
from contracts.rpc import Empty, Rpc
from contracts.rpc.catalog import ALL, called_by
from contracts.rpc.ingest import DOWNLOAD

LOOKS_THAT_ARE_TOLD = {DOWNLOAD}
"""They change nothing, but who took data out of the system is worth an event."""

each_rpc = pytest.mark.parametrize("rpc", ALL, ids=lambda rpc: rpc.subject)


def matches(pattern: str, subject: str) -> bool:
    """Whether a NATS subject falls under a pattern."""
    tokens, wanted = subject.split("."), pattern.split(".")
    if wanted[-1] == ">":
        return len(tokens) >= len(wanted) and all(
            w in ("*", t) for w, t in zip(wanted[:-1], tokens, strict=False)
        )
    return len(tokens) == len(wanted) and all(w in ("*", t) for w, t in zip(wanted, tokens, strict=True))


@each_rpc
def test_an_rpc_names_the_events_it_tells_or_why_it_tells_none(rpc: Rpc[Any, Any]) -> None:
    assert bool(rpc.events) != bool(rpc.silent_because)
    assert all(event.service is rpc.service for event in rpc.events)


@each_rpc
def test_exactly_its_callers_may_publish_to_an_rpc_and_only_its_service_hears_it(rpc: Rpc[Any, Any]) -> None:
    assert rpc.callers
    assert rpc.service not in rpc.callers
    for service in Service:
        may_call = any(matches(pattern, rpc.subject) for pattern in publish_subjects(service))
        assert may_call == (service in rpc.callers)
        assert (rpc in called_by(service)) == (service in rpc.callers)
        hears = any(matches(pattern, rpc.subject) for pattern in subscribe_subjects(service))
        assert hears == (service is rpc.service)


@each_rpc
def test_what_changes_something_takes_more_than_a_users_role(rpc: Rpc[Any, Any]) -> None:
    if rpc.events and rpc not in LOOKS_THAT_ARE_TOLD:
        assert rpc.role in (Role.ADMIN, Role.SYSTEM)


def test_no_two_rpcs_share_a_subject() -> None:
    assert set(Counter(rpc.subject for rpc in ALL).values()) == {1}


@pytest.mark.parametrize("wrong", [{}, {"silent_because": "only looks", "events": ALL[0].events}])
def test_an_rpc_without_events_or_a_reason_cannot_be_declared(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="name the events"):
        Rpc(Service.SYNC, "nothing", Empty, Empty, callers=frozenset({Service.GATEWAY}), **wrong)
