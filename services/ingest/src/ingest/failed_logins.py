"""What becomes of an address whose logins fail: each answer is later than the one before, then it is blocked.

FTP and SFTP count together, each from a thread of its own.
"""

import ipaddress
import threading
from dataclasses import dataclass, field
from datetime import timedelta

import structlog
from prometheus_client import Counter

log: structlog.stdlib.BoundLogger = structlog.get_logger()

LONGEST_DELAY_SECONDS = 60.0
REMEMBERED_ADDRESSES = 10_000

logins_total = Counter("ingest_logins_total", "Logins by FTP and SFTP", ["protocol", "result"])
blocks_total = Counter("ingest_blocked_addresses_total", "Addresses blocked after too many failed logins")


@dataclass(slots=True)
class FailedLogins:
    """Failures in a row per address; `now` is always in monotonic seconds.

    Args:
        first_delay: seconds that the answer to the first failure waits; doubles with each further one.
        block_after: so many failures block the address,
        block_for: for so long after the last of them. Failures older than that are forgotten.
    """

    first_delay: float
    block_after: int
    block_for: timedelta
    _failures: dict[str, tuple[int, float]] = field(default_factory=dict[str, tuple[int, float]])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def delay_after_failure(self, address: str, now: float) -> float:
        """Count a failure; the seconds that its answer must wait: 1, 2, 4, ... times the first delay."""
        origin = _origin(address)
        with self._lock:
            count = self._count(origin, now)
            self._failures.pop(origin, None)
            if len(self._failures) >= REMEMBERED_ADDRESSES:
                del self._failures[next(iter(self._failures))]
            self._failures[origin] = (count + 1, now)
        if count + 1 == self.block_after:
            blocks_total.inc()
            log.warning("login.address_blocked", address=origin, seconds=self.block_for.total_seconds())
        return min(self.first_delay * 2 ** min(count, 16), LONGEST_DELAY_SECONDS)

    def is_blocked(self, address: str, now: float) -> bool:
        """Whether the address must not even try now."""
        with self._lock:
            return self._count(_origin(address), now) >= self.block_after

    def forget(self, address: str) -> None:
        """A login succeeded."""
        with self._lock:
            self._failures.pop(_origin(address), None)

    def _count(self, origin: str, now: float) -> int:
        count, last = self._failures.get(origin, (0, now))
        return count if now - last <= self.block_for.total_seconds() else 0


def _origin(address: str) -> str:
    """What counts as one address: of IPv6 the /64, which is what one customer gets."""
    parsed = ipaddress.ip_address(address.split("%", 1)[0])
    if parsed.version == 6 and not parsed.ipv4_mapped:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
