"""One row of the table, and the figures that go into it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Result:
    """`ok`: whether it is within the limit; None: it could not be measured."""

    what: str
    limit: str
    measured: str
    ok: bool | None


def percentile(values: list[float], share: float) -> float:
    """The value that `share` (0 to 1) of all are at or below."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]
