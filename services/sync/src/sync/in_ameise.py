"""What bringing a record to Ameise needs of the objects there: of Kunden, and of Verträge."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ameise.client import AmeiseClient
from sync.pipelines import Pipeline
from sync.retry import Park, Postpone
from sync.values import Known
from sync.work_store import Work


@dataclass(frozen=True, slots=True)
class Found:
    """The object that a record belongs to; `adopted` if it existed before."""

    key: str
    adopted: bool


Creation = Found | Postpone | Park
NewFields = Mapping[str, Known]
"""What a new object would be made of."""


class InAmeise(Protocol):
    """An object as it was read."""

    @property
    def key(self) -> str: ...

    @property
    def fields(self) -> Mapping[str, Any]:
        """Flat, by the names of the deliveries; what Ameise's API does not give is absent, so unknown."""
        ...

    async def changed(self, ameise: AmeiseClient, changes: Mapping[str, Known]) -> "InAmeise":
        """Write the changes; the object as it is then. Raises the client's errors."""
        ...


class Objects(Protocol):
    """All objects of one table. Everything raises the client's errors."""

    async def find_or_create(
        self,
        pipeline: Pipeline,
        ameise: AmeiseClient,
        work: Work,
        record: Mapping[str, Any],
        wanted: Mapping[str, Known],
    ) -> Creation:
        """The object of a record that names none, made if there is none. `wanted`: the record's values in
        Ameise's form. Raises CannotConvert and LeaseLost too."""
        ...

    async def foresee(
        self,
        pipeline: Pipeline,
        ameise: AmeiseClient,
        record: Mapping[str, Any],
        wanted: Mapping[str, Known],
    ) -> Creation | NewFields:
        """What that would come to now, without doing it."""
        ...

    async def read(self, pipeline: Pipeline, ameise: AmeiseClient, key: str) -> InAmeise | Park:
        """The object, as far as the pipeline maps it."""
        ...

    async def doubt(
        self, pipeline: Pipeline, record: Mapping[str, Any], wanted: Mapping[str, Known], found: InAmeise
    ) -> str | None:
        """Why the record cannot be what a person says that it is. Raises CannotConvert."""
        ...

    async def check(
        self, pipeline: Pipeline, ameise: AmeiseClient, before: InAmeise, changes: Mapping[str, Known]
    ) -> None:
        """Raises Unfit if Ameise would not take the changes, Rejected if it cannot take any."""
        ...
