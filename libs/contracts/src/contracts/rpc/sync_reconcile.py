"""Comparing on demand."""

from datetime import timedelta

from contracts.actor import Role
from contracts.events import Compared, LinksCompared, RecordDeleted, WorkParked
from contracts.names import Difference, Service
from contracts.rpc import Rpc, RpcModel


class CompareRequest(RpcModel):
    """Compare now what otherwise is compared every night; `links`: also the links with Zoho's records."""

    links: bool = False


class Comparison(RpcModel):
    """What was found; it has become work, or is parked for a person."""

    objects: int
    counts: dict[Difference, int]


COMPARE = Rpc(
    Service.SYNC, "compare", CompareRequest, Comparison,
    callers=frozenset({Service.GATEWAY}), role=Role.ADMIN,
    events=(Compared, LinksCompared, RecordDeleted, WorkParked), timeout=timedelta(minutes=5),
)  # fmt: skip
RPCS = (COMPARE,)
