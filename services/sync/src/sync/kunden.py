"""Kunden as the objects that records are brought to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ameise.client import AmeiseClient
from contracts.rpc.sync_parked import ParkedCause
from sync.checks import Unfit, missing_of_new, problems_of, today_in_germany
from sync.create_once import CreateOnce, complete
from sync.in_ameise import Creation, InAmeise, NewFields
from sync.known_there import AmeiseKnowledge
from sync.kunde import CONTACT, WantedDetail, read_kunde
from sync.mapping import sources_of
from sync.new_kunde import NewKunde
from sync.pipelines import Pipeline
from sync.retry import Park
from sync.values import Known
from sync.work_store import Work
from vendor.errors import Rejected


@dataclass(frozen=True, slots=True)
class Kunden:
    """`sync.in_ameise.Objects`. `detail_property`: what holds a Kundendetail's value in Ameise's JSON."""

    create_once: CreateOnce
    knowledge: AmeiseKnowledge
    detail_property: str

    async def find_or_create(
        self,
        pipeline: Pipeline,
        ameise: AmeiseClient,
        work: Work,
        record: Mapping[str, Any],  # noqa: ARG002
        wanted: Mapping[str, Known],
    ) -> Creation:
        new = await self._new(pipeline, ameise, wanted)
        return new if isinstance(new, Park) else await self.create_once(pipeline, work, new)

    async def foresee(
        self,
        pipeline: Pipeline,
        ameise: AmeiseClient,
        record: Mapping[str, Any],
        wanted: Mapping[str, Known],
    ) -> Creation | NewFields:
        new = await self._new(pipeline, ameise, wanted)
        if isinstance(new, Park):
            return new
        return await self.create_once.foresee(pipeline, record["id"], new) or new.fields

    async def read(self, pipeline: Pipeline, ameise: AmeiseClient, key: str) -> InAmeise | Park:
        read = {name for mapping in pipeline.definition.fields for name in sources_of(mapping)}
        try:
            return await read_kunde(
                ameise, key, contacts=not read.isdisjoint(CONTACT),
                details=wanted_details(pipeline, self.detail_property),
            )  # fmt: skip
        except Rejected as error:
            if error.status == 404:
                return Park(ParkedCause.KUNDE_UNKNOWN, {"kunde": key})
            raise

    async def doubt(
        self,
        pipeline: Pipeline,
        record: Mapping[str, Any],
        wanted: Mapping[str, Known],
        found: InAmeise,
    ) -> None:
        """People change their names, addresses and e-mails."""

    async def check(
        self, pipeline: Pipeline, ameise: AmeiseClient, before: InAmeise, changes: Mapping[str, Known]
    ) -> None:
        known = await self.knowledge.about(pipeline, ameise, changes)
        problems = problems_of(
            changes, known=known, today=today_in_germany(), anrede_before=before.fields.get("anrede_id")
        )
        if problems:
            raise Unfit(problems)

    async def _new(
        self, pipeline: Pipeline, ameise: AmeiseClient, wanted: Mapping[str, Known]
    ) -> NewKunde | Park:
        """Who would be made, if Ameise would take him. Raises Unfit."""
        definition = pipeline.definition
        fields = complete(wanted, definition.new_kunde)
        if missing := missing_of_new(fields):
            return Park(ParkedCause.FIELDS_MISSING, {"fields": ", ".join(missing)})
        known = await self.knowledge.about(pipeline, ameise, fields)
        if problems := problems_of(fields, known=known, today=today_in_germany()):
            raise Unfit(problems)
        return NewKunde(ameise, pipeline.tenant, fields, definition.matching, definition.simplr)


def wanted_details(pipeline: Pipeline, property_: str) -> list[WantedDetail]:
    """The individual fields that the pipeline maps."""
    return [
        WantedDetail(mapping.ameise, mapping.detail.field, mapping.detail.name, property_)
        for mapping in pipeline.definition.fields
        if mapping.detail is not None
    ]
