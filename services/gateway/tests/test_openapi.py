"""The OpenAPI document in docs is the one that the routes make; every change declares its events."""

from pathlib import Path

from gateway.application import ROUTERS
from gateway.openapi import document

PUBLISHED = Path(__file__).parents[3] / "docs" / "openapi" / "gateway.json"


def test_the_published_document_is_not_stale():
    assert PUBLISHED.read_text() == document(), (
        "renew it: python -m gateway openapi > docs/openapi/gateway.json"
    )


def test_every_route_that_changes_something_says_which_events_it_tells_or_why_none():
    changing = [
        route
        for router in ROUTERS
        for route in router.routes
        if route.methods & {"POST", "PUT", "PATCH", "DELETE"}
    ]
    assert len(changing) > 5
    for route in changing:
        assert {"x-tells", "x-silent-because"} & (route.openapi_extra or {}).keys(), route.path
