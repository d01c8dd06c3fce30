"""Erstanlage: a person typed into Zoho becomes a Kunde in Ameise, once.

Ameise's POST is not idempotent, its answer can get lost after the Kunde was made, its search can lag,
and a form can be submitted twice at once. Therefore, in this order:

1. One Erstanlage at a time per Ameise connection (a lease shared by all replicas).
2. An intent of an earlier try. If it got its Kunde, that is the one. If its outcome is unknown, look again:
   the one Kunde of this name who was not there before is adopted. Until the settling time is over, wait;
   after it, a person decides. Never a second POST on our own.
3. Another record that may be of the same person, and is being created or was in the last day: a person
   decides.
4. Search. One Kunde who is surely the same is adopted; unsure ones go to a person.
5. Commit an intent with what was found, then POST.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from ameise.client import AmeiseClient
from chassis import leases
from chassis.database import Database
from chassis.leases import Lease
from contracts.rpc.sync_parked import ParkedCause
from sync import intent_store
from sync.checks import Unfit, missing_of_new, problems_of, today_in_germany
from sync.creation_turn import NOT_YET, creation_turn
from sync.in_ameise import Creation, Found
from sync.intent_store import Intent
from sync.known_there import AmeiseKnowledge
from sync.kunde import CONTACT, KundeInAmeise, new_kunde_body, read_kunde
from sync.matching import Candidate, choose_match, match_keys, only_new_one, same_name, twin_keys
from sync.pipelines import Pipeline
from sync.retry import Park, Postpone
from sync.values import Known, canonical
from sync.work_store import Work
from vendor.errors import Unavailable, VendorError

LOOK_AGAIN_DELAY = timedelta(seconds=5)
OUTCOME_UNKNOWN = "Ausgang der Anlage in Ameise unbekannt"


@dataclass(frozen=True, slots=True)
class CreateOnce:
    """Finds or creates the Kunde of a record, under the guarantees above."""

    database: Database
    lease: timedelta
    settling_time: timedelta
    fresh_link: timedelta
    knowledge: AmeiseKnowledge

    async def __call__(
        self, pipeline: Pipeline, ameise: AmeiseClient, work: Work, wanted: Mapping[str, Known]
    ) -> Creation:
        """`wanted`: the record's values in Ameise's form. Raises the client's errors, Unfit and LeaseLost."""
        fields = await self._fields(pipeline, ameise, wanted)
        if isinstance(fields, Park):
            return fields
        async with creation_turn(self.database, pipeline, work, "erstanlage", lasting=self.lease) as turn:
            if turn is None:
                return NOT_YET
            return await self._in_turn(pipeline, ameise, work.object, fields, turn)

    async def foresee(
        self, pipeline: Pipeline, ameise: AmeiseClient, zoho_id: str, wanted: Mapping[str, Known]
    ) -> Creation | None:
        """What it would come to now, without doing it; None: he would be created. Raises as the doing."""
        fields = await self._fields(pipeline, ameise, wanted)
        if isinstance(fields, Park):
            return fields
        async with self.database.tenant(pipeline.tenant) as session:
            earlier = await intent_store.unfinished(session, pipeline, zoho_id)
        if earlier is not None and earlier.kundennummer is not None:
            return Found(earlier.kundennummer, adopted=False)
        if earlier is not None:
            return Postpone(LOOK_AGAIN_DELAY, OUTCOME_UNKNOWN, counts=False)
        decided, _ = await self._decide(pipeline, ameise, zoho_id, fields)
        return decided

    async def _fields(
        self, pipeline: Pipeline, ameise: AmeiseClient, wanted: Mapping[str, Known]
    ) -> Mapping[str, Known] | Park:
        """All fields of the new Kunde, if Ameise would take them. Raises Unfit."""
        fields = complete(wanted, pipeline.definition.new_kunde)
        if missing := missing_of_new(fields):
            return Park(ParkedCause.FIELDS_MISSING, {"fields": ", ".join(missing)})
        known = await self.knowledge.about(pipeline, ameise, fields)
        if problems := problems_of(fields, known=known, today=today_in_germany()):
            raise Unfit(problems)
        return fields

    async def _in_turn(
        self, pipeline: Pipeline, ameise: AmeiseClient, zoho_id: str, fields: Mapping[str, Known], turn: Lease
    ) -> Creation:
        async with self.database.tenant(pipeline.tenant) as session:
            earlier = await intent_store.unfinished(session, pipeline, zoho_id)
        if earlier is not None and earlier.kundennummer is not None:
            return Found(earlier.kundennummer, adopted=False)
        if earlier is not None:
            return await self._look_again(pipeline, ameise, earlier, fields)
        decided, candidates = await self._decide(pipeline, ameise, zoho_id, fields)
        if decided is not None:
            return decided
        async with self.database.tenant(pipeline.tenant) as session:
            await leases.check(session, turn)
            found = [c.kundennummer for c in candidates]
            keys = match_keys(fields, tenant=pipeline.tenant)
            intent = await intent_store.declare(session, pipeline, zoho_id, keys=keys, found=found)
        return await self._post(pipeline, ameise, intent, fields)

    async def _decide(
        self, pipeline: Pipeline, ameise: AmeiseClient, zoho_id: str, fields: Mapping[str, Known]
    ) -> tuple[Found | Park | None, Sequence[Candidate]]:
        """Whom the record is found to be, and everybody who was looked at; None: he is new."""
        twins = twin_keys(fields, tenant=pipeline.tenant)
        async with self.database.tenant(pipeline.tenant) as session:
            twin = await intent_store.twin_of(session, pipeline, zoho_id, twins, within=self.fresh_link)
        if twin is not None:
            known = f" (Kunde {twin.key})" if twin.key else ""
            return Park(ParkedCause.TWIN_RECORD, {"zoho_id": twin.zoho_id + known}), ()
        candidates = await search(ameise, fields)
        match = choose_match(fields, candidates, pipeline.definition.matching)
        if match.adopt is not None:
            return Found(match.adopt, adopted=True), candidates
        if match.ask_about:
            kunden = {"kunden": ", ".join(match.ask_about)}
            return Park(ParkedCause.SIMILAR_KUNDEN, kunden, candidates=match.ask_about), candidates
        return None, candidates

    async def _post(
        self, pipeline: Pipeline, ameise: AmeiseClient, intent: Intent, fields: Mapping[str, Known]
    ) -> Creation:
        try:
            simplr = pipeline.definition.simplr
            created = await ameise.create_kunde(
                new_kunde_body(fields),
                mitteilung_benutzername=simplr.user_name,
                mitteilung_passwort_link=simplr.password_link,
                mitteilung_erstinfo_unterbinden=simplr.suppress_erstinformation,
            )
        except VendorError as error:
            if not (isinstance(error, Unavailable) and error.outcome_unknown):
                await self._settle(pipeline, intent, "abandoned", None)  # refused, or never got there
            raise
        await self._settle(pipeline, intent, "created", created.id)
        return Found(created.id, adopted=False)

    async def _look_again(
        self, pipeline: Pipeline, ameise: AmeiseClient, intent: Intent, fields: Mapping[str, Known]
    ) -> Creation:
        fresh = [c for c in await search(ameise, fields) if c.kundennummer not in intent.found_before]
        if (number := only_new_one(fields, fresh)) is not None:
            await self._settle(pipeline, intent, "adopted", number)
            return Found(number, adopted=False)
        if intent.age < self.settling_time:
            return Postpone(LOOK_AGAIN_DELAY, OUTCOME_UNKNOWN, counts=False)
        candidates = tuple(c.kundennummer for c in fresh)
        return Park(ParkedCause.POSSIBLY_CREATED, candidates=candidates)

    async def _settle(self, pipeline: Pipeline, intent: Intent, outcome: str, number: str | None) -> None:
        async with self.database.tenant(pipeline.tenant) as session:
            await intent_store.settle(session, intent, outcome=outcome, kundennummer=number)


def complete(wanted: Mapping[str, Known], defaults: Mapping[str, str]) -> dict[str, Known]:
    """The wanted fields, with the pipeline's defaults where they are blank."""
    filled = {name: value for name, value in defaults.items() if not wanted.get(name)}
    return {**wanted, **filled}


async def search(ameise: AmeiseClient, fields: Mapping[str, Known]) -> list[Candidate]:
    """Everybody of this name whom Ameise's search finds by e-mail, birth date or name; each read in full.

    By name too, since a Kunde may have neither of the other two: one that we just posted has no e-mail yet.
    """
    vorname, nachname = str(fields.get("vorname") or ""), str(fields.get("nachname") or "")
    found = await ameise.search_kunden(f"{vorname} {nachname}")
    if mail := fields.get("email"):
        found += await ameise.search_kunden_by_mail(str(mail))
    if born := fields.get("geburtsdatum"):
        found += await ameise.search_kunden_by_name(
            vorname=vorname, nachname=nachname, geburtsdatum=str(born)
        )
    candidates: list[Candidate] = []
    for number in sorted({hit.id for hit in found if same_name(fields, KundeInAmeise(hit, ()).fields)}):
        kunde = await read_kunde(ameise, number)
        person = {name: canonical(value) for name, value in kunde.fields.items() if name not in CONTACT}
        mails = [canonical(k.value) for k in kunde.kontaktdaten or () if k.typ == "email"]
        same_mail = next((m for m in mails if str(m).casefold() == str(fields.get("email")).casefold()), None)
        candidates.append(Candidate(number, {**person, "email": same_mail or (mails[0] if mails else None)}))
    return candidates
