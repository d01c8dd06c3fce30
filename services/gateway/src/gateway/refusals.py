"""Counts what was refused, by reason and address block, and tells it as one event a minute.

Blocks and not addresses: enough to see where an attack comes from, and no personal data.
"""

import asyncio
import ipaddress
from collections import Counter
from datetime import timedelta

import prometheus_client
import structlog
from sqlalchemy.exc import SQLAlchemyError

from chassis.cause import Cause
from chassis.database import Database
from chassis.outbox import Outbox
from contracts.events import RequestsRefused
from contracts.names import Service
from contracts.subjects import SYSTEM_TENANT

log: structlog.stdlib.BoundLogger = structlog.get_logger()

MOST_BLOCKS = 200
"""Blocks named per minute, over all reasons; what comes from others is counted as `other`."""
OTHER = "other"

refused_total = prometheus_client.Counter("requests_refused_total", "Requests refused with a 4xx", ["reason"])

_REASONS = {
    400: "invalid", 401: "unauthorized", 403: "forbidden", 404: "not_found", 405: "method_not_allowed",
    409: "conflict", 412: "not_connected", 413: "too_large", 422: "invalid", 429: "rate_limited",
}  # fmt: skip


def reason_of(status: int) -> str:
    """The name under which a 4xx is counted."""
    return _REASONS.get(status, "other")


def address_block(address: str | None) -> str:
    """The /24 (IPv4) or /48 (IPv6) of an address; `unknown` if it is none."""
    try:
        ip = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    prefix = 24 if ip.version == 4 else 48
    return str(ipaddress.ip_network(f"{ip}/{prefix}", strict=False))


class Refusals:
    """What was refused since the last event."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()

    def count(self, reason: str, address: str | None) -> None:
        self._add(reason, address_block(address), 1)
        refused_total.labels(reason).inc()

    def _add(self, reason: str, block: str, times: int) -> None:
        known = (reason, block) in self._counts or len(self._counts) < MOST_BLOCKS
        self._counts[(reason, block if known else OTHER)] += times

    def taken(self) -> dict[str, dict[str, int]]:
        """Reason → block → number, since this was last asked."""
        counts, self._counts = self._counts, Counter()
        result: dict[str, dict[str, int]] = {}
        for (reason, block), number in counts.items():
            result.setdefault(reason, {})[block] = number
        return result

    async def tell(self, database: Database, outbox: Outbox) -> None:
        """Tell what was refused as one event of the tenant `_system`, if anything was."""
        counts = self.taken()
        if not counts:
            return
        cause = Cause.of_service(Service.GATEWAY, SYSTEM_TENANT)
        try:
            async with database.tenant(SYSTEM_TENANT) as session:
                await outbox.tell(session, cause, RequestsRefused(counts=counts))
        except (SQLAlchemyError, OSError, asyncio.CancelledError):
            for reason, blocks in counts.items():
                for block, number in blocks.items():
                    self._add(reason, block, number)
            raise

    async def tell_for_ever(self, database: Database, outbox: Outbox, *, every: timedelta) -> None:
        """Tell once per `every`, and a last time when the process stops."""
        while True:
            try:
                await asyncio.sleep(every.total_seconds())
            except asyncio.CancelledError:
                await self.tell(database, outbox)
                raise
            try:
                await self.tell(database, outbox)
            except (SQLAlchemyError, OSError):
                log.warning("refusals.wait", reason="PostgreSQL is away")
