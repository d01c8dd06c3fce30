"""The end of an example: both sides come to rest, and every edit is accounted for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from contracts.names import Table
from sandbox.zoho.orgs import org_named
from soak.judging import AMEISE, Blind, Edit, FieldStory, Judgement, judge
from soak.people import FIELDS, MODULES, People, of_kunde
from soak.stage import Stage, seen_values

ALWAYS_OK = ("unklar: gleicht dem Zoho-Datensatz", "unklar: könnte Kunde", "vielleicht angelegt")
"""Why work may be parked at the end: nobody in this world types nonsense."""
UNSURE = "unklar"
"""Of a form submitted twice, the second record finds the first one's Kunde; and whoever merges records so
that one holds the other's number is asked."""


def come_to_rest(stage: Stage) -> None:
    """All is well again and everything is told, delivered and compared."""
    stage.run(stage.world.well_again())
    for replica in stage.replicas:
        if not replica.is_up:
            replica.start()
    for _ in range(2):
        stage.until_quiet()
        stage.chunks(stage.store_delivery(datetime.now(UTC)))
        stage.reconcile()
    stage.until_quiet()
    stage.note_events()


@dataclass(frozen=True, slots=True)
class _Row:
    """A parked row of work."""

    object: str
    direction: str
    reason: str


class Ending:
    """What is to be seen when all is at rest."""

    def __init__(self, stage: Stage, people: People, edits: Sequence[Edit]) -> None:
        self.stage, self.people, self.edits = stage, people, edits
        self.parked = [
            _Row(**r) for r in stage.select("SELECT object, direction, reason FROM work WHERE parked")
        ]
        linked = stage.select(
            "SELECT zoho_id, ameise_key FROM link WHERE ameise_key IS NOT NULL AND zoho_id IS NOT NULL"
        )
        self.linked = {row["zoho_id"] for row in linked}
        self.linked_kunden = {row["ameise_key"] for row in linked}
        self.events = list(stage.events_seen.values())
        self.calls = stage.calls()

    def judged(self) -> Judgement:
        """All edits, and what else must hold."""
        stories = {edit.about: self._story(edit) for edit in self.edits}
        judgement = judge(self.edits, stories)
        judgement.wrong += [*self._wrongly_parked(), *self._created_twice(), *self._not_once_in_zoho()]
        return judgement

    def _wrongly_parked(self) -> list[str]:
        unsure: set[str | None] = set()
        for person in self.people:
            if person.twin:
                unsure |= {person.twin, person.zoho_id}
            if person.renumbered and person.record:
                unsure |= {person.record[1], self.people.kundennummer(person)}
        return [
            f"parked: {row}"
            for row in self.parked
            if not row.reason.startswith(ALWAYS_OK)
            and not (row.object in unsure and row.reason.startswith(UNSURE))
        ]

    def _created_twice(self) -> list[str]:
        named = {
            str(person): self.stage.kunden_named(person.nachname)
            for person in self.people
            if person.kundennummer is None
        }
        return [f"{person} was created more than once: {k}" for person, k in named.items() if len(k) > 1]

    def _not_once_in_zoho(self) -> list[str]:
        """Every Kunde whom the deliveries show has one record, if nobody deleted or merged it."""
        numbers = [record["Kundennummer"] for module in MODULES for record in self.stage.records(module)]
        unsettled = {self.people.kundennummer(p) for p in self.people if p.deleted or p.renumbered}
        unsettled |= self.stage.left_out
        unsettled |= {row.object for row in self.parked} | {row.reason for row in self.parked}
        wrong: list[str] = []
        for kundennummer in self.stage.kunden():
            times = numbers.count(kundennummer)
            if times > 1 or (times == 0 and kundennummer not in unsettled):
                wrong.append(f"Kunde {kundennummer} is in Zoho {times} times")
        return wrong

    def _story(self, edit: Edit) -> FieldStory:
        """Of a form submitted twice, the record that did not become the Kunde must be parked."""
        stage, person = self.stage, self.people.numbered(edit.person)
        kundennummer, place = self.people.kundennummer(person), self.people.place(person)
        zoho_id = edit.place if edit.place != AMEISE else place and place[1]
        excuses = {
            "parked_to_ameise": any(r.direction == "to_ameise" and r.object == zoho_id for r in self.parked),
            "parked_to_zoho": any(r.direction == "to_zoho" and r.object == kundennummer for r in self.parked),
            "deleted": person.deleted and self._deletion_told(zoho_id),
            "vanished": kundennummer in stage.left_out and self._vanishing_told(kundennummer),
            "renumbered": person.renumbered,
        }
        known: dict[str, Any] = {}
        if kundennummer is not None:
            in_ameise = stage.versions(f"ameise:{stage.world.haupt}", "kunde", kundennummer)
            known["ameise"] = seen_values([(at, of_kunde(kunde, edit.field)) for at, kunde in in_ameise])
            known["blind_in_ameise"] = self._blind_in_ameise(kundennummer)
            known["conflicts"] = self._conflicts_told(kundennummer, edit.field)
        if place is not None and zoho_id is not None:
            name = FIELDS[edit.field][place[0]]
            in_zoho = stage.versions(self._org_world(), place[0], zoho_id)
            known["zoho"] = seen_values([(at, record.get(name)) for at, record in in_zoho])
            known["blind_in_zoho"] = self._blind_in_zoho(place[0])
        return FieldStory(**known, **excuses)

    def _org_world(self) -> str:
        return org_named(self.stage.store, self.stage.world.org).world

    def _told(self, **about: Any) -> list[dict[str, Any]]:
        """Events whose data hold all this."""
        return [e for e in self.events if about.items() <= e["data"].items()]

    def _deletion_told(self, zoho_id: str | None) -> bool:
        """What was never linked is nobody's business but his who deleted it."""
        told = {event["type"] for event in self._told(zoho_id=zoho_id)}
        return bool(told & {"record_deleted", "excluded"}) or zoho_id not in self.linked

    def _vanishing_told(self, kundennummer: str | None) -> bool:
        """What no delivery ever showed, or has no record, is gone without a word."""
        if (
            Table.KUNDE,
            kundennummer,
        ) not in self.stage.ingest.objects or kundennummer not in self.linked_kunden:
            return True
        excluded = [event for event in self.events if event["type"] == "excluded"]
        return any(_key(event) == kundennummer for event in excluded)

    def _conflicts_told(self, kundennummer: str, name: str) -> list[float]:
        return [
            datetime.fromisoformat(event["time"]).timestamp()
            for event in self.events
            if event["type"] == "conflict_found"
            and _key(event) == kundennummer
            and name in event["data"]["object"]["fields"]
        ]

    def _blind_in_ameise(self, kundennummer: str) -> list[Blind]:
        """From each last reading to the end of the writing that followed."""
        return [
            Blind(read, ended, began, ended)
            for read, began, ended in self._read_and_written("ameise", f"/kunden/{kundennummer}")
        ]

    def _blind_in_zoho(self, module: str) -> list[Blind]:
        """From each last reading to the end of its second, if something was changed in that second before:
        If-Unmodified-Since counts whole seconds."""
        changes = self.stage.moments(self._org_world(), module)
        return [
            Blind(read, min(ended, int(read) + 1.0), began, ended)
            for read, began, ended in self._read_and_written("zoho", f"/crm/v8/{module}")
            if any(int(read) <= at <= read for at in changes)
        ]

    def _read_and_written(self, vendor: str, path: str) -> list[tuple[float, float, float]]:
        """(when it was read last, when the writing began, when it ended), by the vendor's clock."""
        found: list[tuple[float, float, float]] = []
        read = None
        for call in self.calls:
            if call["vendor"] != vendor or path not in call["path"]:
                continue
            if call["method"] == "GET":
                read = call["at"]
            elif read is not None:
                found.append((read, call["at"], call["at"] + call["ms"] / 1000))
        return found


def _key(event: dict[str, Any]) -> str | None:
    return (event["data"].get("object") or {}).get("key")
