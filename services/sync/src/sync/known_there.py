"""What an Ameise connection knows (its lists, its Vermittler), asked once in a while and kept in memory."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Generic, TypeVar

from ameise.client import AmeiseClient, Liste
from contracts.ids import TenantId, Uuid
from sync.checks import KnownThere
from sync.pipelines import Pipeline
from sync.values import Known
from sync.vertrag_checks import VertragKnownThere
from vendor.errors import Rejected

T = TypeVar("T")
_LISTS_OF_VERTRAG = {
    "sparte_id": Liste.SPARTEN,
    "gesellschaft_id": Liste.GESELLSCHAFTEN,
    "status_id": Liste.VERTRAGSSTATUS,
    "zahlweise_id": Liste.ZAHLWEISEN,
}
_Key = tuple[TenantId, Uuid, str]


@dataclass(slots=True)
class _Kept(Generic[T]):
    """Values by connection and name, each for a while."""

    seconds: float
    values: dict[_Key, tuple[float, T]] = field(default_factory=dict[_Key, tuple[float, T]])

    def get(self, key: _Key) -> tuple[T] | None:
        """The value in a tuple, since None may be one."""
        kept = self.values.get(key)
        return (kept[1],) if kept is not None and kept[0] > time.monotonic() else None

    def put(self, key: _Key, value: T) -> T:
        self.values[key] = (time.monotonic() + self.seconds, value)
        return value


class AmeiseKnowledge:
    """Asks for what a change needs to be checked by, and for no more. Raises the client's errors.

    A list that Ameise refuses to give is no reason to write nothing: only some of its lists are documented.
    """

    def __init__(self, *, kept: timedelta) -> None:
        self._lists = _Kept[Mapping[str, bool | None] | None](kept.total_seconds())
        self._ours = _Kept[bool](kept.total_seconds())

    async def about(
        self, pipeline: Pipeline, ameise: AmeiseClient, changes: Mapping[str, Known]
    ) -> KnownThere:
        """What Ameise knows about the fields of `changes`."""
        anreden = await self._list(pipeline, ameise, Liste.ANREDEN) if changes.get("anrede_id") else None
        laender = await self._list(pipeline, ameise, Liste.LAENDER) if changes.get("land_id") else None
        vermittler = changes.get("vermittler_id")
        return KnownThere(
            anreden=anreden,
            laender=None if laender is None else frozenset(laender),
            vermittler_is_ours=(
                await self._is_ours(pipeline, ameise, str(vermittler)) if vermittler else None
            ),
        )

    async def about_vertrag(
        self, pipeline: Pipeline, ameise: AmeiseClient, changes: Mapping[str, Known]
    ) -> VertragKnownThere:
        """What Ameise knows about the fields of a Vertrag."""
        lists = {
            name: await self._list(pipeline, ameise, liste)
            for name, liste in _LISTS_OF_VERTRAG.items()
            if changes.get(name)
        }
        vermittler = changes.get("vermittler_id")
        return VertragKnownThere(
            codes={name: frozenset(codes) for name, codes in lists.items() if codes is not None},
            vermittler_is_ours=(
                await self._is_ours(pipeline, ameise, str(vermittler)) if vermittler else None
            ),
        )

    async def _list(
        self, pipeline: Pipeline, ameise: AmeiseClient, liste: Liste
    ) -> Mapping[str, bool | None] | None:
        key = (pipeline.tenant, pipeline.ameise_connection, liste.value)
        if (kept := self._lists.get(key)) is not None:
            return kept[0]
        try:
            entries = await ameise.list_entries(liste)
        except Rejected:
            return self._lists.put(key, None)
        return self._lists.put(key, {entry.value: entry.juristische_person for entry in entries} or None)

    async def _is_ours(self, pipeline: Pipeline, ameise: AmeiseClient, vermittler: str) -> bool:
        key = (pipeline.tenant, pipeline.ameise_connection, vermittler)
        if (kept := self._ours.get(key)) is not None:
            return kept[0]
        try:
            await ameise.get_vermittler(vermittler)
        except ValueError:  # what cannot be a Vermittlernummer is nobody's
            return self._ours.put(key, False)
        except Rejected as error:
            if error.status != 404:
                raise
            return self._ours.put(key, False)
        return self._ours.put(key, True)
