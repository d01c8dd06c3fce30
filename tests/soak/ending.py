"""The end of an example: both sides come to rest, and every edit is accounted for."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from contracts.names import Table
from soak.books import seen_values
from soak.judging import AMEISE, Blind, Edit, FieldStory, Judgement, Overruling, judge
from soak.people import MODULES, People, Person, Record, Sides
from soak.pipelines import GONE, LEFT_OUT_PLZ, MARKS, PLZ_IN_ZOHO, POLICIES, RECORD_LEFT_OUT_PLZ
from soak.stage import BULK_LASTS, Stage

ALWAYS_OK = ("unklar: gleicht dem Zoho-Datensatz", "unklar: könnte Kunde", "vielleicht angelegt")
"""Why work may be parked at the end: nobody in this world types nonsense."""
UNSURE = "unklar"
"""Of a form submitted twice, the second record finds the first one's Kunde; and whoever merges records so
that one holds the other's number is asked."""
NUMBER_IN_ZOHO = "abgelehnt: ein anderer Datensatz in Zoho hat schon denselben Wert im Feld Kundennummer"
"""Of a form submitted twice, the other record was linked after a restored backup forgot which one became the
Kunde."""
TAKEN = "gehört schon zu Datensatz"
"""His Kunde has another record: a delivery made one, after a restored backup forgot whom the first became."""
NOBODYS = "unvollständig: der Datensatz in"
"""A Vertrag whose Kunde's record was deleted, merged, or is not linked."""


Decided = Mapping[tuple[str, str], Sequence[Overruling]]
"""What a person decided, by key and field."""
EDITED = "unklar: der Datensatz"
"""A record that is to be deleted, and that somebody edited."""


def come_to_rest(stage: Stage) -> None:
    """All is well again and everything is told, delivered and compared; what waits for tomorrow, tomorrow."""
    _rest(stage)
    if stage.awaits_tomorrow:
        stage.a_day_passes()
        _rest(stage)
    stage.note_events()


def _rest(stage: Stage) -> None:
    stage.run(stage.well_again())
    for replica in stage.replicas:
        if not replica.is_up:
            replica.start()
    for _ in range(2):
        stage.until_quiet()
        stage.chunks(stage.store_delivery(datetime.now(UTC)))
        stage.reconcile()
    stage.until_quiet()


def dump(stage: Stage, file: Path) -> None:
    """Everything that may tell why an edit was lost, for whoever looks into a failure."""
    books = stage.books
    known = {
        "calls": stage.calls(),
        "events": sorted(stage.events_seen.values(), key=lambda event: event["time"]),
        "work": stage.select("SELECT * FROM work"),
        "links": stage.select("SELECT * FROM link"),
        "intents": stage.select("SELECT * FROM intent"),
        "bulk_jobs": stage.select("SELECT * FROM bulk_job"),
        "records": [record for module in stage.pipelines for record in books.records(module)],
        "kunden": [books.kunde(number) for number in books.kunden()],
        "vertraege": [books.vertrag(number) for number in books.vertraege()],
    }
    file.write_text(json.dumps(known, default=str, indent=1))


@dataclass(frozen=True, slots=True)
class _Row:
    """A parked row of work."""

    object: str
    direction: str
    reason: str


class Ending:
    """What is to be seen when all is at rest."""

    def __init__(
        self, stage: Stage, people: People, edits: Sequence[Edit], decided: Decided = MappingProxyType({})
    ) -> None:
        self.stage, self.people, self.edits, self.decided = stage, people, edits, decided
        self.parked = [
            _Row(**r) for r in stage.select("SELECT object, direction, reason FROM work WHERE parked")
        ]
        linked = stage.select(
            "SELECT zoho_id, ameise_key, asked FROM link WHERE ameise_key IS NOT NULL AND zoho_id IS NOT NULL"
        )
        self.linked = {row["zoho_id"] for row in linked}
        self.asked = {(row["zoho_id"], name) for row in linked for name in row["asked"]}
        self.linked_keys = {row["ameise_key"] for row in linked}
        self.events = list(stage.events_seen.values())
        self.calls = stage.calls()

    def judged(self) -> Judgement:
        """All edits, and what else must hold."""
        stories = {edit.about: self._story(edit) for edit in self.edits}
        judgement = judge(self.edits, stories)
        judgement.wrong += [*self._wrongly_parked(), *self._created_twice(), *self._not_once_in_zoho()]
        judgement.wrong += self._wrongly_marked()
        return judgement

    def _wrongly_parked(self) -> list[str]:
        unsure: set[str | None] = set()
        for person in self.people:
            if person.twin:
                unsure |= {person.twin, person.zoho_id, self.people.kundennummer(person)}
            if person.renumbered and person.record:
                unsure |= {person.record[1], self.people.kundennummer(person)}
        nobodys = {v.zoho_id for v in self.people.vertraege if not self._has_a_linked_record(v.owner)}
        return [
            f"parked: {row}"
            for row in self.parked
            if not row.reason.startswith(ALWAYS_OK)
            and not (row.object in unsure and row.reason.startswith((UNSURE, NUMBER_IN_ZOHO)))
            and not (row.object in self.stage.forgotten and TAKEN in row.reason)
            and not (row.direction == "deletion" and row.reason.startswith(EDITED))
            and not (row.object in nobodys and row.reason.startswith(NOBODYS))
        ]

    def _has_a_linked_record(self, person: Person) -> bool:
        place = self.people.place(person)
        return place is not None and place[1] in self.linked and not (person.deleted or person.renumbered)

    def _created_twice(self) -> list[str]:
        books = self.stage.books
        there = {p.name: books.kunden_named(p.nachname) for p in self.people if p.kundennummer is None}
        there |= {v.name: books.vertraege_with(v.scheinnummer) for v in self.people.vertraege}
        return [f"{name} was created more than once: {keys}" for name, keys in there.items() if len(keys) > 1]

    def _not_once_in_zoho(self) -> list[str]:
        """All that the deliveries show has one record, if nobody deleted or merged it."""
        books, people = self.stage.books, self.people
        unsettled = {people.kundennummer(p) for p in people if p.deleted or p.renumbered}
        unsettled |= {row.object for row in self.parked} | {row.reason for row in self.parked}
        # What we deleted, and a restored backup took for somebody's deletion, is not made again.
        unsettled |= self._keys_told("deleted_in_zoho") & self._keys_told("record_deleted")
        unsettled |= {number for number in books.kunden() if self._is_left_out(number)}
        shown = {o.key for o in self.stage.ingest.objects.values() if not o.gone}
        of_kunden = [record.get("Kundennummer") for module in MODULES for record in books.records(module)]
        of_vertraege = [record.get("Vertragsnummer") for record in books.records("Vertraege")]
        wrong: list[str] = []
        for keys, numbers in ((books.kunden(), of_kunden), (books.vertraege(), of_vertraege)):
            for key in keys:
                times = numbers.count(key)
                if times > 1 or (times == 0 and key in shown and key not in unsettled):
                    wrong.append(f"{key} is in Zoho {times} times")
        return wrong

    def _wrongly_marked(self) -> list[str]:
        """A record says that its object is gone if, and only if, the deliveries do not show it any more."""
        parked = {row.object for row in self.parked}
        keys = {Table.KUNDE: ("Contacts", "Kundennummer"), Table.VERTRAG: ("Vertraege", "Vertragsnummer")}
        wrong: list[str] = []
        for table, (module, key) in keys.items():
            gone = {o.key for o in self.stage.ingest.of_table(table) if o.gone}
            for record in self.stage.books.records(module):
                number, mark = record.get(key), record.get(MARKS[module])
                if record["id"] not in self.linked or not parked.isdisjoint({record["id"], number}):
                    continue
                # Who is left out by the rule when he comes back is left as he is.
                if (mark == GONE) != (number in gone) and not self._is_left_out(number):
                    wrong.append(f"{module} {number} is marked as {mark}")
        return wrong

    def _is_left_out(self, kundennummer: str | None) -> bool:
        """Whether the rule over Kunden leaves him out."""
        if kundennummer not in self.stage.books.kunden():
            return False
        adressen = self.stage.books.kunde(kundennummer)["Adressen"]
        return any(a["Typ"] == "hauptwohnsitz" and a["Postleitzahl"] == LEFT_OUT_PLZ for a in adressen)

    def _is_record_left_out(self, place: Record | None) -> bool:
        """Whether the rule over records leaves it out, and it was told."""
        if place is None or place[0] not in PLZ_IN_ZOHO:
            return False
        module, id_ = place
        plz = next(
            (r.get(PLZ_IN_ZOHO[module]) for r in self.stage.books.records(module) if r["id"] == id_), ""
        )
        told = {event["type"] for event in self._told(zoho_id=id_)}
        return plz == RECORD_LEFT_OUT_PLZ and "excluded" in told

    def _story(self, edit: Edit) -> FieldStory:
        """Of a form submitted twice, the record that did not become the Kunde must be parked."""
        books, (person, sides) = self.stage.books, self.people.sides_of(edit.whose)
        place = sides.record
        zoho_id = edit.place if edit.place != AMEISE else place and place[1]
        kundennummer = self.people.kundennummer(person)
        of_kunde = sides.kind == "kunde"
        excuses = {
            "parked_to_ameise": any(r.direction == "to_ameise" and r.object == zoho_id for r in self.parked),
            "parked_to_zoho": any(r.direction == "to_zoho" and r.object == sides.key for r in self.parked),
            "deleted": of_kunde and person.deleted and self._deletion_told(zoho_id),
            "vanished": kundennummer in self.stage.left_out and self._vanishing_told(sides),
            "renumbered": of_kunde and (person.renumbered or self._has_another_record(person)),
            "asked": (place and place[1], edit.field) in self.asked,
            "left_out": of_kunde and self._is_left_out(kundennummer),
            "record_left_out": of_kunde and self._is_record_left_out(place),
        }
        removals = [e["data"] for e in self.events if self._is_removal(e, sides)]
        removed = [removal["zoho_id"] for removal in removals]
        excuses["removed"] = bool(removed) and (place is None or place[1] in removed)
        known: dict[str, Any] = {"policy": POLICIES.get(edit.field, AMEISE)}
        if sides.key is not None:
            in_ameise = books.versions(books.ameise, sides.kind, sides.key)
            known["ameise"] = seen_values([(at, sides.in_ameise(o, edit.field)) for at, o in in_ameise])
            known["blind_in_ameise"] = self._blind_in_ameise(sides)
            known["decided"] = self.decided.get((sides.key, edit.field), ())
            known["conflicts"] = self._conflicts_told(sides.key, edit.field)
        module = place[0] if place else next((removal["module"] for removal in removals), None)
        if module is not None and zoho_id is not None:
            # A record that we deleted, and the one that came for it when the Kunde was back, are one story.
            name = sides.field_in_zoho(edit.field, module)
            theirs = [*removed, *([place[1]] if place else [])]
            ids = dict.fromkeys([zoho_id, *theirs] if zoho_id in theirs else [zoho_id])
            if sides.key is not None and edit.place != AMEISE:
                # Of a form submitted twice, what is told of one record says nothing of the other.
                known["conflicts"] = self._conflicts_told(sides.key, edit.field, records=ids)
            in_zoho = [v for id_ in ids for v in books.versions(books.zoho, module, id_)]
            values = [(at, record.get(name)) for at, record in sorted(in_zoho, key=lambda v: v[0])]
            known["zoho"] = seen_values(values)
            known["blind_in_zoho"] = self._blind_in_zoho(module)
            known["deletions"] = [at for id_ in removed for at in books.ends(books.zoho, module, id_)]
        return FieldStory(**known, **excuses)

    def _has_another_record(self, person: Person) -> bool:
        """A restored backup forgets which record became whose Kunde: of a form submitted twice it may be the
        other one then, and a delivery may make one for a Kunde who seems to have none."""
        taken = any(r.object == person.zoho_id and TAKEN in r.reason for r in self.parked)
        return (taken and person.zoho_id in self.stage.forgotten) or (
            self.stage.was_set_back and person.twin is not None
        )

    def _keys_told(self, kind: str) -> set[str | None]:
        return {_key(event) for event in self.events if event["type"] == kind}

    def _told(self, **about: Any) -> list[dict[str, Any]]:
        """Events whose data hold all this."""
        return [e for e in self.events if about.items() <= e["data"].items()]

    def _deletion_told(self, zoho_id: str | None) -> bool:
        """What was never linked is nobody's business but his who deleted it."""
        told = {event["type"] for event in self._told(zoho_id=zoho_id)}
        return bool(told & {"record_deleted", "excluded"}) or zoho_id not in self.linked

    def _is_removal(self, event: dict[str, Any], sides: Sides) -> bool:
        """Whether it tells that we deleted the record of this Kunde."""
        return event["type"] == "deleted_in_zoho" and sides.kind == "kunde" and _key(event) == sides.key

    def _vanishing_told(self, sides: Sides) -> bool:
        """What no delivery ever showed, or has no record, is gone without a word. What is marked says so."""
        if sides.record is not None and sides.record[0] in MARKS:
            module, id_ = sides.record
            marked = [r["id"] for r in self.stage.books.records(module) if r.get(MARKS[module]) == GONE]
            if id_ in marked:
                return True
        table = Table.KUNDE if sides.kind == "kunde" else Table.VERTRAG
        if (table, sides.key) not in self.stage.ingest.objects or sides.key not in self.linked_keys:
            return True
        excluded = [event for event in self.events if event["type"] == "excluded"]
        return any(_key(event) == sides.key for event in excluded)

    def _conflicts_told(self, key: str, name: str, *, records: Collection[str] = ()) -> list[float]:
        """When; only of some records, if any are named."""
        return [
            datetime.fromisoformat(event["time"]).timestamp()
            for event in self.events
            if event["type"] == "conflict_found"
            and _key(event) == key
            and name in event["data"]["object"]["fields"]
            and (not records or event["data"]["zoho_id"] in records)
        ]

    def _blind_in_ameise(self, sides: Sides) -> list[Blind]:
        """From each last reading to the end of the writing that followed."""
        path = f"/kunden/{sides.key}" if sides.kind == "kunde" else f"/vertraege/{sides.key}"
        return [
            Blind(read, ended, began, ended) for read, began, ended in self._read_and_written("ameise", path)
        ]

    def _blind_in_zoho(self, module: str) -> list[Blind]:
        """From each last reading to the end of its second, if something was changed in that second before:
        If-Unmodified-Since counts whole seconds. A bulk write has no condition at all, until it is done."""
        changes = self.stage.books.moments(self.stage.books.zoho, module)
        path = f"/crm/v8/{module}"
        ordinary = [
            Blind(read, min(ended, int(read) + 1.0), began, ended)
            for read, began, ended in self._read_and_written("zoho", path)
            if any(int(read) <= at <= read for at in changes)
        ]
        asked = [
            c["at"] for c in self.calls if c["path"].endswith("/bulk/v8/write") and c["method"] == "POST"
        ]
        read = [call["at"] for call in self.calls if call["method"] == "GET" and path in call["path"]]
        in_bulk = [
            Blind(max((at for at in read if at < job), default=job), job + BULK_LASTS, job, job + BULK_LASTS)
            for job in asked
        ]
        return [*ordinary, *in_bulk]

    def _read_and_written(self, vendor: str, path: str) -> list[tuple[float, float, float]]:
        """(when it was read last, when the writing began, when it ended), by the vendor's clock. Ameise gives
        the parts of a Kunde by calls of their own, one after the other."""
        found: list[tuple[float, float, float]] = []
        reads: dict[str, float] = {}
        for call in self.calls:
            if call["vendor"] != vendor or path not in call["path"]:
                continue
            if call["method"] == "GET":
                reads[call["path"]] = call["at"]
            elif reads:
                of_part = [read for read in reads if vendor == "ameise" and call["path"].startswith(read)]
                read = reads[max(of_part, key=len)] if of_part else max(reads.values())
                found.append((read, call["at"], call["at"] + call["ms"] / 1000))
        return found


def _key(event: dict[str, Any]) -> str | None:
    return (event["data"].get("object") or {}).get("key")
