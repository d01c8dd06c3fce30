"""A person typed into Zoho as the Kunde that he would become; a `sync.create_once.NewObject`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from ameise.client import AmeiseClient
from contracts.ids import TenantId
from contracts.rpc.pipeline_switches import MatchWeights, SimplrMessages
from sync.intent_store import Intent
from sync.kunde import CONTACT, KundeInAmeise, new_kunde_body, read_kunde
from sync.matching import Candidate, Match, choose_match, match_keys, only_new_one, same_name, twin_keys
from sync.values import Known, canonical


@dataclass(frozen=True, slots=True)
class NewKunde:
    """`fields`: all of the new Kunde, in Ameise's form."""

    ameise: AmeiseClient
    tenant: TenantId
    fields: Mapping[str, Known]
    weights: MatchWeights
    simplr: SimplrMessages

    @property
    def kunde(self) -> None:
        return None

    @property
    def refusal(self) -> None:
        return None

    @property
    def match_keys(self) -> Sequence[str]:
        return match_keys(self.fields, tenant=self.tenant)

    @property
    def twin_keys(self) -> Sequence[str]:
        return twin_keys(self.fields, tenant=self.tenant)

    async def there(self) -> Sequence[Candidate]:
        """Everybody of this name whom Ameise's search finds by e-mail, birth date or name, read in full.

        By name too, since a Kunde may have neither of the other two: one that we just posted has no e-mail
        yet.
        """
        fields = self.fields
        vorname, nachname = str(fields.get("vorname") or ""), str(fields.get("nachname") or "")
        found = await self.ameise.search_kunden(f"{vorname} {nachname}")
        if mail := fields.get("email"):
            found += await self.ameise.search_kunden_by_mail(str(mail))
        if born := fields.get("geburtsdatum"):
            found += await self.ameise.search_kunden_by_name(
                vorname=vorname, nachname=nachname, geburtsdatum=str(born)
            )
        alike = {hit.id for hit in found if same_name(fields, KundeInAmeise(hit, ()).fields)}
        return [await self._candidate(number) for number in sorted(alike)]

    def match(self, there: Sequence[Candidate]) -> Match:
        return choose_match(self.fields, there, self.weights)

    async def post(self) -> str:
        created = await self.ameise.create_kunde(
            new_kunde_body(self.fields),
            mitteilung_benutzername=self.simplr.user_name,
            mitteilung_passwort_link=self.simplr.password_link,
            mitteilung_erstinfo_unterbinden=self.simplr.suppress_erstinformation,
        )
        return created.id

    def as_posted(self, intent: Intent) -> Self:  # noqa: ARG002 (of him only hashes are kept)
        return self

    def only_new(self, new: Sequence[Candidate]) -> str | None:
        return only_new_one(self.fields, new)

    async def _candidate(self, number: str) -> Candidate:
        """With the e-mail that is also the new one's, if he has it among others."""
        kunde = await read_kunde(self.ameise, number)
        person = {name: canonical(value) for name, value in kunde.fields.items() if name not in CONTACT}
        mails = [canonical(k.value) for k in kunde.kontaktdaten or () if k.typ == "email"]
        wanted = str(self.fields.get("email")).casefold()
        same_mail = next((m for m in mails if str(m).casefold() == wanted), None)
        return Candidate(number, {**person, "email": same_mail or (mails[0] if mails else None)})
