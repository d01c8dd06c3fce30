"""The page of parked work: from its form to a filter, and gathered from sync."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from pydantic import ValidationError

from contracts.names import Service
from contracts.rpc import Empty
from contracts.rpc.sync import LIST_PIPELINES
from contracts.rpc.sync_parked import (
    GROUP_PARKED,
    LIST_PARKED,
    ListParked,
    ParkedFilter,
    ParkedGroups,
    ParkedWorks,
)
from gateway.asking import Asking
from gateway.log_page import start_of_day
from gateway.overview import Part, part_of

FIELDS = ("pipeline", "richtung", "ursache", "text", "seit")
LINES = 50


@dataclass(frozen=True, slots=True)
class ParkedForm:
    """What stands in the form's fields, as typed; empty ones are left out."""

    values: dict[str, str]

    @classmethod
    def of(cls, parameters: Mapping[str, str]) -> "ParkedForm":
        """Of a page's parameters; anything that is no field of the form is left out."""
        typed = {name: parameters.get(name, "").strip()[:100] for name in FIELDS}
        return cls({name: value for name, value in typed.items() if value})

    def query(self, **changed: Any) -> str:
        """The query string that shows this page again, with other values for some fields."""
        return urlencode(self.values | changed)


def filter_of(form: ParkedForm) -> ParkedFilter:
    """The filter; `seit` is a day in Berlin. Raises ValueError in words for people. Pure."""
    values = form.values
    found: dict[str, Any] = {
        "pipeline": values.get("pipeline"),
        "direction": values.get("richtung"),
        "cause": values.get("ursache"),
        "text": values.get("text"),
        "since": start_of_day(values.get("seit"), "Seit"),
    }
    try:
        return ParkedFilter.model_validate(found)
    except ValidationError as error:
        wrong = sorted({_FIELD_NAMES[str(e["loc"][0])] for e in error.errors()})
        raise ValueError(f"Das kann nicht stimmen: {', '.join(wrong)}.") from error


_FIELD_NAMES = {
    "pipeline": "Pipeline",
    "direction": "Richtung",
    "cause": "Ursache",
    "text": "Text",
    "since": "Seit",
}


@dataclass(frozen=True, slots=True)
class ParkedView:
    """`groups` count everything parked, `works` is one page of what fits the filter."""

    groups: Part[ParkedGroups]
    works: Part[ParkedWorks]
    pipeline_names: Mapping[str, str]


async def gather(asking: Asking, wanted: ParkedFilter, *, after: int) -> ParkedView:
    """All parts at once; each may fail alone."""
    request = ListParked(**wanted.model_dump(), limit=LINES, after=after)
    groups, works, names = await asyncio.gather(
        part_of(Service.SYNC, asking.call(GROUP_PARKED, ParkedFilter(pipeline=wanted.pipeline))),
        part_of(Service.SYNC, asking.call(LIST_PARKED, request)),
        pipeline_names(asking),
    )
    return ParkedView(groups, works, names)


async def pipeline_names(asking: Asking) -> dict[str, str]:
    """Names by id; none if sync does not answer."""
    known = await part_of(Service.SYNC, asking.call(LIST_PIPELINES, Empty()))
    return {str(p.id): p.name for p in known.value.pipelines} if known.value else {}
