"""Comparing on demand."""

from datetime import timedelta

from contracts.actor import Role
from contracts.events import Compared, LinksCompared, Reconciled, RecordDeleted, WorkParked
from contracts.names import Difference, Service
from contracts.rpc import Rpc, RpcModel


class CompareRequest(RpcModel):
    """Compare now what otherwise is compared every night; `links`: also the links with Zoho's records;
    `changes`: also look at what was changed in Zoho since the last look, as is done every 15 minutes."""

    links: bool = False
    changes: bool = False


class Comparison(RpcModel):
    """What was found; it has become work, or is parked for a person."""

    objects: int
    counts: dict[Difference, int]


COMPARE = Rpc(
    Service.SYNC, "compare", CompareRequest, Comparison,
    callers=frozenset({Service.GATEWAY}), role=Role.ADMIN,
    events=(Compared, LinksCompared, Reconciled, RecordDeleted, WorkParked), timeout=timedelta(minutes=5),
)  # fmt: skip
RPCS = (COMPARE,)
