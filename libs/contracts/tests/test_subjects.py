"""Every subject comes from here, and only ids come into it."""

import pytest

from contracts import subjects
from contracts.names import Service


def test_events_of_one_service_are_filtered_by_tenant_or_for_all() -> None:
    assert subjects.events_of(Service.AUTH) == "event.*.auth.>"
    assert subjects.events_of(Service.AUTH, "_system") == "event._system.auth.>"


def test_events_without_a_verified_tenant_are_told_under_system() -> None:
    assert subjects.event("_system", Service.GATEWAY, "signed_in") == "event._system.gateway.signed_in"


@pytest.mark.parametrize("tenant", ["", "*", ">", "a.b", "_system2", "A"])
def test_a_text_that_is_no_tenant_makes_no_subject(tenant: str) -> None:
    with pytest.raises(ValueError, match="TenantId"):
        subjects.event(tenant, Service.SYNC, "adopted")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="TenantId"):
        subjects.to_zoho(tenant, "kunde")  # type: ignore[arg-type]


def test_no_two_services_share_an_inbox() -> None:
    prefixes = {subjects.inbox_prefix(service) for service in Service}
    assert len(prefixes) == len(Service)
    assert all(not a.startswith(b) for a in prefixes for b in prefixes if a != b)
    assert "_INBOX" not in prefixes
