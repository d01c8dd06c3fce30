"""Random life on both sides and random mishaps between them; at the end every edit is accounted for.

`make test` plays a short fixed piece, `make soak` long ones by chance (SOAK_STEPS, SOAK_EXAMPLES). A failing
run prints its seed, and `make soak SOAK_SEED=...` plays the same steps again; what sync does meanwhile
depends on the machine, so a rare failure may need a few runs.
"""

import os
import random
import time
import traceback
from collections import Counter, deque
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from contracts.names import System
from soak.chances import STREAMS, examples, happenings
from soak.day import DAY
from soak.ending import Ending, come_to_rest, dump
from soak.judging import AMEISE, ZOHO, Edit, Judgement, Overruling, number_of
from soak.people import FIELDS, OF_PERSON, RISIKO, People, Vertrag
from soak.pipelines import LEFT_OUT_PLZ, PLZ_IN_ZOHO, RECORD_LEFT_OUT_PLZ
from soak.stage import Changed, Parts, Stage

SEED = int(
    os.environ.get("SOAK_SEED") or (random.randrange(10**9) if os.environ.get("SOAK_STEPS") else 20261125)
)
STEPS = int(os.environ.get("SOAK_STEPS") or 36)
CONFLICT_SHOWN_WITHIN_SECONDS = 2
EXAMPLES = int(os.environ.get("SOAK_EXAMPLES") or 2)


class Life(RuleBasedStateMachine):
    """One example: what happens, by chance; `teardown` judges."""

    parts: Parts
    verdicts: list[str]
    """What was wrong at the end of an example; shared by all."""
    kinds: Counter[str]
    """How often each step was taken, in all examples."""

    played: set[tuple[int, int]]
    """The examples so far."""
    opened: bool = False
    stage: Stage

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[str] = []
        self.edits: list[Edit] = []
        self.delayed: deque[Callable[[], None]] = deque()
        self.last_number = 0
        self.decided: dict[tuple[str, str], list[Overruling]] = {}

    @rule(happening=happenings)
    def it_goes_on(self, happening: tuple[str, dict[str, Any]]) -> None:
        """The next step, by its name."""
        self._take(*happening)

    def _take(self, step: str, how: dict[str, Any]) -> None:
        if self.verdicts or not self.opened:
            return  # a failed example is not played again: the machine would not do the same again
        self.steps.append(f"{step}({', '.join(f'{name}={value!r}' for name, value in how.items())})")
        self.kinds[step] += 1
        try:
            getattr(self, step)(**how)
        except Exception:  # noqa: BLE001 (told as all else that is wrong, and not played again)
            self.verdicts += [traceback.format_exc(), *self.steps]

    # -- people work on both sides --------------------------------------------------------------------------

    @initialize(example=examples)
    def some_are_there_already(self, example: tuple[int, int]) -> None:
        if example in self.played or len(self.played) == EXAMPLES or self.verdicts:
            return
        self.played.add(example)
        self.stage = Stage(self.parts)
        self.people = People(self.stage)
        self.began = datetime.now(UTC)
        self.opened = True
        self._take("some_came_before", {"in_bulk": bool(example[0] % 2)})

    def some_came_before(self, in_bulk: bool) -> None:
        """`in_bulk`: whether an admin allowed bulk writes."""
        self.stage.allow_bulk_writes(in_bulk)
        for one in (1, 2, 3):
            self._comes_to_ameise(one)
        self._tell(self.stage.store_delivery(datetime.now(UTC)), "sent")

    def a_form_makes_a_contact(self, fate: str, twice: bool) -> None:
        person = self.people.new()
        beruf = self._number()
        values = {
            "Salutation": "Frau", "First_Name": "Anna", "Last_Name": person.nachname,
            "Date_of_Birth": (date(1950, 1, 1) + timedelta(days=17 * person.number)).isoformat(),
            "Email": f"p{person.number}x@example.org", "Beruf": f"beruf {beruf}",
        }  # fmt: skip
        person.zoho_id = self.stage.run(self.stage.world.add(**values))
        self.edits.append(Edit(beruf, person.name, "beruf", person.zoho_id))
        if twice:
            person.twin = self.stage.run(self.stage.world.add(**values))
            self._call(person.twin, "Contacts", fate)
        self._call(person.zoho_id, "Contacts", fate)

    def somebody_edits_in_zoho(self, who: int, name: str, fate: str) -> None:
        person = self.people.one_of(who)
        place = self.people.place(person)
        if place is None or person.deleted or place[0] not in FIELDS[name]:
            return
        module, zoho_id = place
        number = self._number()
        value = f"030 {number}" if name == "telefon" else f"{name} {number}"
        if not self._edited(zoho_id, module, **{FIELDS[name][module]: value}):
            return
        self.edits.append(Edit(number, person.name, name, zoho_id))
        self._call(zoho_id, module, fate)

    def _edited(self, zoho_id: str, module: str, **values: str) -> bool:
        """Whether the record was still there: sync may just have deleted it, since its object is gone."""
        try:
            self.stage.run(self.stage.world.edit(zoho_id, module, **values))
        except AssertionError as refused:
            if "the id given seems to be invalid" not in str(refused):
                raise
            return False
        return True

    def somebody_edits_in_ameise(self, who: int, name: str) -> None:
        person = self.people.one_of(who)
        kundennummer = self.people.kundennummer(person)
        if kundennummer is None or (name == "titel" and self.people.is_firma(kundennummer)):
            return
        number = self._number()
        world, value = self.stage.world, f"{name} {number}"
        if name in OF_PERSON:
            self.stage.run(world.edit_kunde(kundennummer, **{OF_PERSON[name]: value}))
        else:
            self.stage.run(world.move_kunde(kundennummer, Ort=value))
        self.edits.append(Edit(number, person.name, name, AMEISE))

    def all_kunden_change_in_ameise(self, name: str, age: float, fate: str) -> None:
        """Somebody imports something there, and the delivery brings it: enough rows for a bulk write."""
        for who in range(len(self.people)):
            self.somebody_edits_in_ameise(who, name)
        self.a_delivery_arrives(age, fate)

    def both_sides_edit(self, who: int, name: str, fate: str) -> None:
        """A conflict, if no delivery or webhook is in between."""
        self.somebody_edits_in_ameise(who, name)
        self.somebody_edits_in_zoho(who, name, fate)

    def a_person_decides(self, which: int, winner: System, then: System | None) -> None:
        """About one of the conflicts that are shown to him; `then` somebody edits that field once more."""
        conflicts = self.stage.open_conflicts()
        if not conflicts:
            return
        chosen = conflicts[which % len(conflicts)]
        if not self.stage.decide(chosen, winner):
            return
        loser, shown = (AMEISE, chosen.ameise) if winner is System.ZOHO else (ZOHO, chosen.zoho)
        overruled = Overruling(loser, number_of(str(shown)))
        self.decided.setdefault((chosen.key, chosen.field), []).append(overruled)
        who = next((n for n, p in enumerate(self.people) if self.people.kundennummer(p) == chosen.key), None)
        match then:
            case System.AMEISE if who is not None:
                self.somebody_edits_in_ameise(who, chosen.field)
            case System.ZOHO if who is not None:
                self.somebody_edits_in_zoho(who, chosen.field, "sent")
            case _:
                pass

    def a_conflict_is_decided(self, who: int, winner: System, then: System | None) -> None:
        """Somebody sees it on the page, if sync is up and finds it."""
        self.both_sides_edit(who, "ort", "sent")
        ends = time.monotonic() + CONFLICT_SHOWN_WITHIN_SECONDS
        while not self.stage.open_conflicts() and time.monotonic() < ends:
            self.stage.hurry()
            time.sleep(0.1)
        self.a_person_decides(who, winner, then)

    def a_kunde_moves(self, who: int, out_of_the_rule: bool) -> None:
        kundennummer = self.people.kundennummer(self.people.one_of(who))
        if kundennummer is not None:
            plz = LEFT_OUT_PLZ if out_of_the_rule else f"1{self.last_number:04}"
            self.stage.run(self.stage.world.move_kunde(kundennummer, Postleitzahl=plz))

    def a_record_moves(self, who: int, out_of_the_rule: bool, fate: str) -> None:
        if (record := self._loose(who)) is not None:
            module, zoho_id = record
            plz = RECORD_LEFT_OUT_PLZ if out_of_the_rule else f"2{self.last_number:04}"
            if self._edited(zoho_id, module, **{PLZ_IN_ZOHO[module]: plz}):
                self._call(zoho_id, module, fate)

    def a_kunde_comes_to_ameise(self) -> None:
        self._comes_to_ameise(len(self.people) + 1)

    # -- and on its Verträge --------------------------------------------------------------------------------

    def a_vertrag_is_typed_into_zoho(self, who: int, fate: str) -> None:
        record = self._loose(who)
        if record is None:
            return
        vertrag, number = self.people.new_vertrag(self.people.one_of(who)), self._number()
        lookup = "Kunde" if record[0] == "Contacts" else "Firma"
        values = {
            "Name": vertrag.name, "Versicherungsscheinnummer": vertrag.scheinnummer, "Sparte": "Hausrat",
            "Beitrag_netto": 120.5, "Beginn": "2026-01-01", "Risiko": f"risiko {number}",
            lookup: {"id": record[1]},
        }  # fmt: skip
        vertrag.zoho_id = self.stage.run(self.stage.world.add("Vertraege", **values))
        self.edits.append(Edit(number, vertrag.name, RISIKO, vertrag.zoho_id))
        self._call(vertrag.zoho_id, "Vertraege", fate)

    def a_vertrag_comes_to_ameise(self, who: int) -> None:
        person = self.people.one_of(who)
        kunde = self.people.kundennummer(person)
        if kunde is None:
            return
        vertrag, number = self.people.new_vertrag(person), self._number()
        values = {"Versicherungsscheinnummer": vertrag.scheinnummer, "Sparte": "050"}
        typed = self.stage.world.type_vertrag(kunde, **values, Risiko=f"risiko {number}")
        vertrag.vertragsnummer = self.stage.run(typed)
        self.edits.append(Edit(number, vertrag.name, RISIKO, AMEISE))

    def somebody_edits_a_vertrag_in_zoho(self, which: int, fate: str) -> None:
        vertrag = self._vertrag(which)
        record = self.people.record_of(vertrag) if vertrag else None
        if vertrag is None or record is None:
            return
        number = self._number()
        if not self._edited(record[1], "Vertraege", Risiko=f"risiko {number}"):
            return
        self.edits.append(Edit(number, vertrag.name, RISIKO, record[1]))
        self._call(record[1], "Vertraege", fate)

    def somebody_edits_a_vertrag_in_ameise(self, which: int) -> None:
        vertrag = self._vertrag(which)
        key = self.people.vertragsnummer(vertrag) if vertrag else None
        if vertrag is None or key is None:
            return
        number, kunde = self._number(), self.stage.books.vertrag(key)["Kunde"]
        self.stage.run(self.stage.world.edit_vertrag(kunde, key, Risiko=f"risiko {number}"))
        self.edits.append(Edit(number, vertrag.name, RISIKO, AMEISE))

    def _vertrag(self, which: int) -> Vertrag | None:
        there = self.people.vertraege
        return there[which % len(there)] if there else None

    # -- what ends the way of a record or of a Kunde --------------------------------------------------------

    def somebody_deletes_in_zoho(self, who: int, fate: str) -> None:
        """`fate`: of a webhook that was under way."""
        if (record := self._loose(who)) is not None:
            self._delete(who, record)
            self._call(record[1], record[0], fate)

    def somebody_merges_in_zoho(self, who: int, other: int, fate: str, renumber: bool) -> None:
        """Zoho keeps the one record, with values of both, and deletes the other."""
        kept, dropped = self._loose(who), self._loose(other)
        if kept is None or dropped is None or kept == dropped or {kept[0], dropped[0]} != {"Contacts"}:
            return
        master, gone = self.people.one_of(who), self.people.one_of(other)
        numbers = [
            self.stage.run(self.stage.world.record(id_)).get("Kundennummer") for _, id_ in (kept, dropped)
        ]
        beruf = self._number()
        values = {"Beruf": f"beruf {beruf}"}
        if renumber and all(numbers):
            values["Kundennummer"] = numbers[1]
            master.record = kept
            master.renumbered = gone.renumbered = True
        self._delete(other, dropped)
        self.stage.run(self.stage.world.edit(kept[1], **values))
        self.edits.append(Edit(beruf, master.name, "beruf", kept[1]))
        self._call(kept[1], "Contacts", fate)

    def _loose(self, who: int) -> tuple[str, str] | None:
        """The person's record, if nothing was done to it that the judge could not tell apart."""
        person = self.people.one_of(who)
        return None if person.twin or person.deleted or person.renumbered else self.people.place(person)

    def _delete(self, who: int, record: tuple[str, str]) -> None:
        person = self.people.one_of(who)
        person.record, person.deleted = record, True
        self.stage.run(self.stage.world.delete(record[1], record[0]))

    def deliveries_leave_out_a_kunde(self, who: int) -> None:
        kundennummer = self.people.kundennummer(self.people.one_of(who))
        if kundennummer is not None:
            self.stage.left_out.add(kundennummer)

    def a_kunde_is_gone_for_a_day(self, who: int) -> None:
        """His record waits to be deleted, and is, if nobody edited it."""
        self.deliveries_leave_out_a_kunde(who)
        self.a_delivery_arrives(0.0, "sent")
        self.time_passes(1.0)
        self.a_day_passes()

    def deliveries_show_all_kunden_again(self) -> None:
        self.stage.left_out.clear()

    # -- deliveries and webhooks ----------------------------------------------------------------------------

    def a_delivery_arrives(self, age: float, fate: str) -> None:
        """`age`: how stale, as a part of the time since the beginning."""
        now = datetime.now(UTC)
        changed = self.stage.store_delivery(now - age * (now - self.began))
        self._tell(changed, fate)

    def what_was_delayed_arrives(self, backwards: bool) -> None:
        self._send_delayed(backwards=backwards)

    def _send_delayed(self, *, backwards: bool) -> None:
        while self.delayed:
            (self.delayed.pop if backwards else self.delayed.popleft)()()

    # -- mishaps --------------------------------------------------------------------------------------------

    def calls_go_wrong(self, vendor: str, path: str, times: int, **plan: Any) -> None:
        self.stage.fault(**plan, vendor=vendor, path_pattern=path, times=times)

    def ameise_changes_its_habits(self, lag: float, late: float, phones: bool) -> None:
        knobs = {"ameise_search_lag_seconds": lag, "ameise_late_post_seconds": late}
        self.stage.run(self.stage.world.knobs(**knobs, ameise_normalise_phones=phones))

    def tokens_expire(self, vendor: str) -> None:
        self.stage.expire_tokens(vendor)

    def sync_is_killed(self, which: int, after_ms: int) -> None:
        replica = self.stage.replicas[which]
        if replica.is_up:
            time.sleep(after_ms / 1000)
            replica.kill()

    def nats_loses_messages(self, stream: str) -> None:
        self.stage.purge(STREAMS[stream])

    def a_stream_is_made_anew(self, stream: str) -> None:
        self.stage.recreate(STREAMS[stream])

    def the_database_is_backed_up(self) -> None:
        self.stage.back_up()

    def a_day_passes(self) -> None:
        self.began -= DAY
        self.stage.a_day_passes()

    def a_night_with_a_backup_passes(self) -> None:
        self.stage.back_up()
        self.a_day_passes()

    def the_database_is_set_back(self) -> None:
        self.stage.set_back()

    def an_admin_decides_about_bulk_writes(self, allowed: bool) -> None:
        self.stage.allow_bulk_writes(allowed)

    def sync_is_started(self, which: int) -> None:
        replica = self.stage.replicas[which]
        if not replica.is_up:
            replica.start()

    def time_passes(self, seconds: float) -> None:
        time.sleep(seconds)
        self.stage.hurry()

    # -- the end --------------------------------------------------------------------------------------------

    def teardown(self) -> None:
        if not self.opened:
            return
        try:
            if not self.verdicts:
                self._end()
        finally:
            self.stage.close()

    def _end(self) -> None:
        try:
            come_to_rest(self.stage)
            self._give_verdict(Ending(self.stage, self.people, self.edits, self.decided).judged())
        except Exception:  # noqa: BLE001 (as above)
            dump(self.stage, self.parts.folder / "soak.json")
            self.verdicts += [traceback.format_exc(), *self.steps]

    def _give_verdict(self, judgement: Judgement) -> None:
        told = Counter(event["type"] for event in self.stage.events_seen.values())
        rare = {
            name: told[name]
            for name in ("bulk_write_ended", "deleted_in_zoho", "conflict_decided")
            if told[name]
        }
        print("soak:", {str(fate): count for fate, count in judgement.fates.items()}, rare)  # noqa: T201
        if judgement.wrong:
            file = self.parts.folder / "soak.json"
            dump(self.stage, file)
            self.verdicts += [
                *judgement.wrong,
                "after these steps:",
                *self.steps,
                f"all that is known: {file}",
            ]

    # -- helpers --------------------------------------------------------------------------------------------

    def _number(self) -> int:
        self.last_number += 1
        return self.last_number

    def _comes_to_ameise(self, seed_: int) -> None:
        world, before = self.stage.world, set(self.stage.books.kunden())
        body = {"hauptvermittler": world.haupt, "kunden": 1, "vertraege": 0, "seed": seed_}
        self.stage.run(self.stage.http.post(f"{world.url}/sandbox/ameise/seed", json=body))
        # sync may be creating others at the same time.
        came = set(self.stage.books.kunden()) - before
        [new] = [number for number in came if not self.people.came_by_form(number)]
        self.people.new(kundennummer=new)

    def _call(self, zoho_id: str, module: str, fate: str) -> None:
        self._send(lambda: self.stage.webhook(zoho_id, module), fate)

    def _tell(self, changed: Changed, fate: str) -> None:
        self._send(lambda: self.stage.chunks(changed), fate)

    def _send(self, message: Callable[[], None], fate: str) -> None:
        match fate:
            case "lost":
                pass
            case "delayed":
                self.delayed.append(message)
            case _:
                for _ in range(2 if fate == "doubled" else 1):
                    message()


@pytest.mark.timeout(0 if os.environ.get("SOAK_STEPS") else 150)
def test_every_edit_is_accounted_for(parts: Parts) -> None:
    class Played(Life):
        pass

    Played.parts, Played.verdicts, Played.kinds, Played.played = parts, [], Counter(), set()
    print(f"soak: SOAK_SEED={SEED} SOAK_STEPS={STEPS} SOAK_EXAMPLES={EXAMPLES}")  # noqa: T201
    play = seed(SEED)(
        lambda: run_state_machine_as_test(
            Played,
            settings=settings(
                max_examples=20 * EXAMPLES,
                stateful_step_count=STEPS,
                deadline=None,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
                report_multiple_bugs=False,
            ),
        )
    )
    play()
    print("soak:", dict(sorted(Played.kinds.items())))  # noqa: T201
    assert len(Played.played) == EXAMPLES or Played.verdicts
    assert not Played.verdicts, "\n".join([f"SOAK_SEED={SEED} SOAK_STEPS={STEPS}", *Played.verdicts])
