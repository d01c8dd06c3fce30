"""Token buckets in memory: how many requests an address or a tenant may make.

Per process: with several replicas behind a balancer the limits add up. Pure, the clock is an argument.
"""

from collections import OrderedDict
from dataclasses import dataclass

MOST_BUCKETS = 20_000
"""Buckets kept; the one unused for longest goes first, and would be full again by then anyway."""


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_at: float


class RateLimit:
    """Per key `burst` requests at once, and `per_second` in the long run."""

    def __init__(self, *, per_second: float, burst: int) -> None:
        self._per_second = per_second
        self._burst = float(burst)
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def wait_seconds(self, key: str, now: float) -> float:
        """Take one request of the key's budget: 0 if it may pass, else the seconds until one may."""
        bucket = self._filled(key, now)
        if bucket.tokens < 1:
            return (1 - bucket.tokens) / self._per_second
        bucket.tokens -= 1
        return 0.0

    def charge(self, key: str, now: float, cost: float) -> None:
        """Take `cost` more of the key's budget; it may fall below nothing by one burst at most."""
        bucket = self._filled(key, now)
        bucket.tokens = max(bucket.tokens - cost, -self._burst)

    def _filled(self, key: str, now: float) -> _Bucket:
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = _Bucket(self._burst, now)
            if len(self._buckets) > MOST_BUCKETS:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(key)
        bucket.tokens = min(self._burst, bucket.tokens + (now - bucket.filled_at) * self._per_second)
        bucket.filled_at = now
        return bucket
