"""A Vertrag typed into Zoho as it would become one in Ameise; a `sync.create_once.NewObject`.

A Kunde's Verträge can be listed, so what is there already is found without a search.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

from ameise.client import AmeiseClient
from contracts.ids import TenantId
from sync.intent_store import Intent
from sync.matching import Candidate, Match
from sync.values import Known
from sync.vertrag import VertragInAmeise, new_vertrag_body
from sync.vertrag_matching import choose_vertrag, only_new_vertrag


@dataclass(frozen=True, slots=True)
class NewVertrag:
    """`fields` are posted, with the pipeline's defaults; by `typed`, what the record itself says, it is told
    whether the Kunde has it already. `usual_number`: the default number, which tells nothing.
    """

    ameise: AmeiseClient
    tenant: TenantId
    kunde: str
    fields: Mapping[str, Known]
    typed: Mapping[str, Known]
    usual_number: str | None
    match_keys: Sequence[str]
    twin_keys: Sequence[str]
    refusal: str | None

    async def there(self) -> Sequence[Candidate]:
        """All Verträge of the Kunde."""
        found = [VertragInAmeise(vertrag) for vertrag in await self.ameise.list_vertraege(self.kunde)]
        return [Candidate(one.key, one.fields) for one in found]

    def match(self, there: Sequence[Candidate]) -> Match:
        return choose_vertrag(self.typed, there, usual=self.usual_number)

    async def post(self) -> str:
        return (await self.ameise.create_vertrag(new_vertrag_body(self.kunde, self.fields))).id

    def as_posted(self, intent: Intent) -> Self:
        return replace(self, kunde=intent.kunde or self.kunde, match_keys=tuple(intent.match_keys))

    def only_new(self, new: Sequence[Candidate]) -> str | None:
        return only_new_vertrag(self.match_keys, new, tenant=self.tenant)
