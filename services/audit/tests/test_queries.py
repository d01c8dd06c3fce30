"""Page ends, and the wall between tenants in every query."""

import base64
import json

import pytest

from audit import queries
from contracts.ids import TenantId, new_id
from contracts.problems import Invalid
from contracts.rpc.audit import LogFilter

TENANT = TenantId("nord")


def after(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


def test_a_page_end_leads_on_from_there() -> None:
    sort = [1_793_491_200_123, str(new_id())]
    body = queries.page(TENANT, LogFilter(), size=3, after=queries.page_end(sort))
    assert body["search_after"] == sort


@pytest.mark.parametrize(
    "made_up",
    [
        "",
        "!",
        "äöü",
        "bm8=",
        after([]),
        after([1]),
        after([1, "x"]),
        after({"a": 1}),
        after([1, [2]]),
        after(7),
    ],
)
def test_a_made_up_page_end_is_invalid(made_up: str) -> None:
    with pytest.raises(Invalid):
        queries.page(TENANT, LogFilter(), size=3, after=made_up)


def test_every_query_begins_with_the_tenant() -> None:
    for body in (
        queries.page(TENANT, LogFilter(), size=3, after=None),
        queries.counts(TENANT, LogFilter(), "type"),
        queries.counts(TENANT, LogFilter(key="1"), "action"),
    ):
        assert body["query"]["bool"]["filter"][0] == {"term": {"tenant": "nord"}}
