"""Random life on both sides and random mishaps between them; at the end every edit is accounted for.

`make test` plays a short fixed piece, `make soak` long ones by chance (SOAK_STEPS, SOAK_EXAMPLES). A failing
run prints its seed, and `make soak SOAK_SEED=...` plays the same steps again; what sync does meanwhile
depends on the machine, so a rare failure may need a few runs.
"""

import functools
import os
import random
import time
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from contracts.streams import TO_AMEISE, TO_ZOHO
from sandbox.zoho.orgs import org_named
from soak.judging import AMEISE, Edit, FieldStory, Judgement, judge
from soak.stage import REPLICAS, Parts, Stage, seen_values

SEED = int(
    os.environ.get("SOAK_SEED") or (random.randrange(10**9) if os.environ.get("SOAK_STEPS") else 20261125)
)
STEPS = int(os.environ.get("SOAK_STEPS") or 45)
EXAMPLES = int(os.environ.get("SOAK_EXAMPLES") or 1)

FIELDS = {
    "beruf": {"Contacts": "Beruf", "Accounts": "Branche"},
    "titel": {"Contacts": "Titel"},
    "ort": {"Contacts": "Mailing_City", "Accounts": "Billing_City"},
    "telefon": {"Contacts": "Phone", "Accounts": "Phone"},
}
IN_AMEISE = {"beruf": "Beruf", "titel": "Titel"}
"""What Ameise's own screens change here."""

NAMED_OK = ("unklar: gleicht dem Zoho-Datensatz", "unklar: könnte Kunde", "vielleicht angelegt")
"""Why work may be parked at the end: nobody in this world types nonsense."""

WRITES = {
    "ameise": [r"/kunden$", r"/kunden/\d+$", r"/kontaktdaten", r"/adressen"],
    "zoho": [r"/crm/v8/(Contacts|Accounts)$", r"/upsert$"],
}
FAULTS: list[dict[str, Any]] = [
    {"kind": "timeout_after_write", "seconds": 1.5},
    {"kind": "status", "status": 429},
    {"kind": "status", "status": 503},
    {"kind": "html", "status": 500},
    {"kind": "html", "status": 200},
    {"kind": "garbage"},
    {"kind": "latency", "seconds": 0.4},
]

STREAMS = {stream.name: stream for stream in (TO_AMEISE, TO_ZOHO)}

whom = st.integers(0, 10**6)
fates = st.sampled_from(["sent", "sent", "lost", "doubled", "delayed"])
streams = st.sampled_from(sorted(STREAMS))


def _mishap(name: str, **how: Any) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    return st.tuples(st.just(name), st.fixed_dictionaries(how))


faults = st.tuples(
    st.sampled_from(sorted(WRITES)).flatmap(
        lambda vendor: st.tuples(st.just(vendor), st.sampled_from(WRITES[vendor]))
    ),
    st.sampled_from(FAULTS),
    st.integers(1, 3),
).map(
    lambda drawn: (
        "calls_go_wrong",
        {"vendor": drawn[0][0], "path": drawn[0][1], "times": drawn[2], **drawn[1]},
    )
)
kills = _mishap("sync_is_killed", which=st.integers(0, REPLICAS - 1), after_ms=st.integers(0, 300))
mishaps = st.one_of(
    faults,
    faults,
    kills,
    kills,
    _mishap(
        "ameise_changes_its_habits",
        lag=st.sampled_from([0.0, 0.0, 1.0]), late=st.sampled_from([0.0, 0.0, 1.5]), phones=st.booleans(),
    ),
    _mishap("tokens_expire", vendor=st.sampled_from(["ameise", "zoho"])),
    _mishap("nats_loses_messages", stream=streams),
    _mishap("a_stream_is_made_anew", stream=streams),
    _mishap("the_database_is_backed_up"),
    _mishap("the_database_is_set_back"),
)  # fmt: skip


Step = Callable[..., None]


def noted(step: Step) -> Step:
    """Write down that the step was taken, for the report of a failure."""

    @functools.wraps(step)
    def taken(self: "Life", **how: Any) -> None:
        if self.verdicts:  # a failed example is not played again: the machine would not do the same again
            return
        self.steps.append(f"{step.__name__}({', '.join(f'{name}={value!r}' for name, value in how.items())})")
        try:
            step(self, **how)
        except Exception:  # noqa: BLE001 (told as all else that is wrong, and not played again)
            self.verdicts += [traceback.format_exc(), *self.steps]

    return taken


@dataclass
class Person:
    """Somebody whom one of the two sides knew first."""

    number: int
    zoho_id: str | None = None
    kundennummer: str | None = None
    twin: str | None = None
    """The record that the same form made, when it was submitted twice."""

    @property
    def nachname(self) -> str:
        return f"Nachname{self.number}x"


class Life(RuleBasedStateMachine):
    """One example: what happens, by chance; `teardown` judges."""

    parts: Parts
    verdicts: list[str]
    """What was wrong at the end of an example; shared by all."""

    def __init__(self) -> None:
        super().__init__()
        if not self.verdicts:
            self.stage = Stage(self.parts)
        self.steps: list[str] = []
        self.people: list[Person] = []
        self.edits: list[Edit] = []
        self.delayed: deque[Callable[[], None]] = deque()
        self.began = datetime.now(UTC)
        self.last_number = 0

    # -- people work on both sides --------------------------------------------------------------------------

    @initialize()
    @noted
    def some_are_there_already(self) -> None:
        for one in (1, 2, 3):
            self._comes_to_ameise(one)
        self._tell(self.stage.store_delivery(datetime.now(UTC)), "sent")

    @rule(fate=fates, twice=st.sampled_from([False, False, False, True]))
    @noted
    def a_form_makes_a_contact(self, fate: str, twice: bool) -> None:
        person = Person(len(self.people) + 1)
        beruf = self._number()
        values = {
            "Salutation": "Frau", "First_Name": "Anna", "Last_Name": person.nachname,
            "Date_of_Birth": (date(1950, 1, 1) + timedelta(days=17 * person.number)).isoformat(),
            "Email": f"p{person.number}x@example.org", "Beruf": f"beruf {beruf}",
        }  # fmt: skip
        person.zoho_id = self._in_zoho(self.stage.world.add(**values))
        self.people.append(person)
        self.edits.append(Edit(beruf, person.number, "beruf", person.zoho_id))
        if twice:
            person.twin = self._in_zoho(self.stage.world.add(**values))
            self._call(person.twin, "Contacts", fate)
        self._call(person.zoho_id, "Contacts", fate)

    @rule(who=whom, name=st.sampled_from(sorted(FIELDS)), fate=fates)
    @noted
    def somebody_edits_in_zoho(self, who: int, name: str, fate: str) -> None:
        person = self._one_of(who)
        place = self._place_in_zoho(person)
        if place is None or place[0] not in FIELDS[name]:
            return
        module, zoho_id = place
        number = self._number()
        value = f"030 {number}" if name == "telefon" else f"{name} {number}"
        self._in_zoho(self.stage.world.edit(zoho_id, module, **{FIELDS[name][module]: value}))
        self.edits.append(Edit(number, person.number, name, zoho_id))
        self._call(zoho_id, module, fate)

    @rule(who=whom, name=st.sampled_from(sorted(IN_AMEISE)))
    @noted
    def somebody_edits_in_ameise(self, who: int, name: str) -> None:
        person = self._one_of(who)
        kundennummer = self._kundennummer(person)
        if kundennummer is None or (name == "titel" and self._is_firma(kundennummer)):
            return
        number = self._number()
        change = {IN_AMEISE[name]: f"{name} {number}"}
        self.stage.run(self.stage.world.edit_kunde(kundennummer, **change))
        self.edits.append(Edit(number, person.number, name, AMEISE))

    @rule()
    @noted
    def a_kunde_comes_to_ameise(self) -> None:
        self._comes_to_ameise(len(self.people) + 1)

    # -- deliveries and webhooks ----------------------------------------------------------------------------

    @rule(age=st.sampled_from([0.0, 0.0, 0.0, 0.3, 0.8]), fate=fates)
    @noted
    def a_delivery_arrives(self, age: float, fate: str) -> None:
        """`age`: how stale, as a part of the time since the beginning."""
        now = datetime.now(UTC)
        changed = self.stage.store_delivery(now - age * (now - self.began))
        self._tell(changed, fate)

    @rule(backwards=st.booleans())
    @noted
    def what_was_delayed_arrives(self, backwards: bool) -> None:
        self._send_delayed(backwards=backwards)

    def _send_delayed(self, *, backwards: bool) -> None:
        while self.delayed:
            (self.delayed.pop if backwards else self.delayed.popleft)()()

    # -- mishaps --------------------------------------------------------------------------------------------

    @rule(mishap=mishaps)
    @noted
    def something_goes_wrong(self, mishap: tuple[str, dict[str, Any]]) -> None:
        """One rule for all mishaps, so that life on both sides goes on between them."""
        name, how = mishap
        getattr(self, name)(**how)

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

    def the_database_is_set_back(self) -> None:
        self.stage.set_back()

    @rule(which=st.integers(0, REPLICAS - 1))
    @noted
    def sync_is_started(self, which: int) -> None:
        replica = self.stage.replicas[which]
        if not replica.is_up:
            replica.start()

    @rule(seconds=st.sampled_from([0.05, 0.3, 1.0]))
    @noted
    def time_passes(self, seconds: float) -> None:
        time.sleep(seconds)
        self.stage.hurry()

    # -- the end --------------------------------------------------------------------------------------------

    def teardown(self) -> None:
        if not hasattr(self, "stage"):  # an earlier example failed
            return
        try:
            if self.edits and not self.verdicts:  # hypothesis begins with examples in which nothing happens
                self._end()
        finally:
            self.stage.close()

    def _end(self) -> None:
        try:
            self._come_to_rest()
            self._give_verdict(self._judge())
        except Exception:  # noqa: BLE001 (as above)
            self.stage.dump(self.parts.folder / "soak.json")
            self.verdicts += [traceback.format_exc(), *self.steps]

    def _give_verdict(self, judgement: Judgement) -> None:
        print("soak:", {str(fate): count for fate, count in judgement.fates.items()})  # noqa: T201
        if judgement.wrong:
            file = self.parts.folder / "soak.json"
            self.stage.dump(file)
            self.verdicts += [
                *judgement.wrong,
                "after these steps:",
                *self.steps,
                f"all that is known: {file}",
            ]

    def _come_to_rest(self) -> None:
        stage = self.stage
        stage.run(stage.world.well_again())
        self._send_delayed(backwards=False)
        for replica in stage.replicas:
            if not replica.is_up:
                replica.start()
        for _ in range(2):
            stage.until_quiet()
            stage.chunks(stage.store_delivery(datetime.now(UTC)))
            stage.reconcile()
        stage.until_quiet()
        stage.note_events()

    def _judge(self) -> Judgement:
        stage = self.stage
        parked = stage.select("SELECT object, direction, reason FROM work WHERE parked")
        stories = {edit.about: self._story(edit, {row["object"] for row in parked}) for edit in self.edits}
        judgement = judge(self.edits, stories)
        twins = {id_ for person in self.people if person.twin for id_ in (person.twin, person.zoho_id)}
        for row in parked:
            # Of a form submitted twice, the second finds the first one's Kunde.
            is_twin = row["object"] in twins and row["reason"].startswith("unklar")
            if not is_twin and not row["reason"].startswith(NAMED_OK):
                judgement.wrong.append(f"parked: {row}")
        for person in self.people:
            if person.kundennummer is None and len(found := stage.kunden_named(person.nachname)) > 1:
                judgement.wrong.append(f"{person} was created more than once: {found}")
        numbers = [r["Kundennummer"] for m in ("Contacts", "Accounts") for r in stage.records(m)]
        for kundennummer in stage.kunden():
            if numbers.count(kundennummer) != 1:
                held = [row for row in parked if kundennummer in (row["object"], row["reason"])]
                if not held:
                    times = numbers.count(kundennummer)
                    judgement.wrong.append(f"Kunde {kundennummer} is in Zoho {times} times")
        return judgement

    def _story(self, edit: Edit, parked: set[str]) -> FieldStory:
        """Of a form submitted twice, the record that did not become the Kunde must be parked."""
        stage = self.stage
        person = self.people[edit.person - 1]
        kundennummer, place = self._kundennummer(person), self._place_in_zoho(person)
        if edit.place != AMEISE and place is not None:
            place = place[0], edit.place
        held = kundennummer in parked or (place is not None and place[1] in parked)
        if kundennummer is None or place is None:
            return FieldStory((), (), told_as_conflict=False, parked=held)
        module, zoho_id = place
        in_ameise = stage.versions(f"ameise:{stage.world.haupt}", "kunde", kundennummer)
        in_zoho = stage.versions(org_named(stage.store, stage.world.org).world, module, zoho_id)
        return FieldStory(
            seen_values([(at, _of_kunde(kunde, edit.field)) for at, kunde in in_ameise]),
            seen_values([(at, record.get(FIELDS[edit.field][module])) for at, record in in_zoho]),
            told_as_conflict=self._conflict_told(kundennummer, edit.field),
            parked=held,
            blind_in_ameise=self._blind("ameise", f"/kunden/{kundennummer}"),
            blind_in_zoho=self._blind("zoho", f"/crm/v8/{module}"),
        )

    def _conflict_told(self, kundennummer: str, name: str) -> bool:
        return any(
            event["type"] == "conflict_found"
            and event["data"]["object"]["key"] == kundennummer
            and name in event["data"]["object"]["fields"]
            for event in self.stage.events_seen.values()
        )

    def _blind(self, vendor: str, path: str) -> list[tuple[float, float]]:
        """From each last reading to the writing that followed; in Zoho to the end of that second at most,
        since If-Unmodified-Since counts whole seconds."""
        spans: list[tuple[float, float]] = []
        read = None
        for call in self.stage.calls():
            if call["vendor"] != vendor or path not in call["path"]:
                continue
            if call["method"] == "GET":
                read = call["at"]
            elif read is not None:
                written = call["at"] + call["ms"] / 1000
                spans.append((read, written if vendor == "ameise" else min(written, int(read) + 1.0)))
        return spans

    # -- helpers --------------------------------------------------------------------------------------------

    def _number(self) -> int:
        self.last_number += 1
        return self.last_number

    def _one_of(self, who: int) -> Person:
        return self.people[who % len(self.people)]

    def _in_zoho(self, doing: Any) -> Any:
        return self.stage.run(doing)

    def _comes_to_ameise(self, seed_: int) -> None:
        world, before = self.stage.world, set(self.stage.kunden())
        body = {"hauptvermittler": world.haupt, "kunden": 1, "vertraege": 0, "seed": seed_}
        self.stage.run(self.stage.http.post(f"{world.url}/sandbox/ameise/seed", json=body))
        # sync may be creating others at the same time.
        [new] = [number for number in set(self.stage.kunden()) - before if not self._came_by_form(number)]
        self.people.append(Person(len(self.people) + 1, kundennummer=new))

    def _came_by_form(self, kundennummer: str) -> bool:
        return self.stage.kunde(kundennummer)["Person"]["Nachname"].startswith("Nachname")

    def _kundennummer(self, person: Person) -> str | None:
        if person.kundennummer is not None:
            return person.kundennummer
        return next(iter(self.stage.kunden_named(person.nachname)), None)

    def _is_firma(self, kundennummer: str) -> bool:
        return self.stage.kunde(kundennummer)["Person"]["Anrede"] == "3"

    def _place_in_zoho(self, person: Person) -> tuple[str, str] | None:
        """(module, id) of the person's record; of a form submitted twice, the one that became the Kunde."""
        if person.kundennummer is None:
            assert person.zoho_id is not None
            if person.twin is not None:
                record = self.stage.run(self.stage.world.record(person.twin))
                if record.get("Kundennummer"):
                    return "Contacts", person.twin
            return "Contacts", person.zoho_id
        for module in ("Contacts", "Accounts"):
            query = {"field": "Kundennummer", "value": person.kundennummer}
            url = f"{self.stage.world.url}/sandbox/zoho/{self.stage.world.org}/{module}"
            for record in self.stage.run(self.stage.http.get(url, params=query)).json()["data"]:
                return module, record["id"]
        return None

    def _call(self, zoho_id: str, module: str, fate: str) -> None:
        self._send(lambda: self.stage.webhook(zoho_id, module), fate)

    def _tell(self, kunden: list[str], fate: str) -> None:
        self._send(lambda: self.stage.chunks(kunden), fate)

    def _send(self, message: Callable[[], None], fate: str) -> None:
        match fate:
            case "lost":
                pass
            case "delayed":
                self.delayed.append(message)
            case _:
                for _ in range(2 if fate == "doubled" else 1):
                    message()


def _of_kunde(kunde: dict[str, Any], name: str) -> str | None:
    if name in IN_AMEISE:
        return kunde["Person"][IN_AMEISE[name]]
    if name == "ort":
        return next((a["Ort"] for a in kunde["Adressen"] if a["Typ"] == "hauptwohnsitz"), None)
    return next((k["Value"] for k in kunde["Kontaktdaten"] if k["Typ"] == name and k["Standard"]), None)


@pytest.mark.timeout(0 if os.environ.get("SOAK_STEPS") else 150)
def test_every_edit_is_accounted_for(parts: Parts) -> None:
    class Played(Life):
        pass

    Played.parts, Played.verdicts = parts, []
    print(f"soak: SOAK_SEED={SEED} SOAK_STEPS={STEPS} SOAK_EXAMPLES={EXAMPLES}")  # noqa: T201
    play = seed(SEED)(
        lambda: run_state_machine_as_test(
            Played,
            settings=settings(
                max_examples=2 + EXAMPLES,  # the first two are the simplest ones
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
    assert not Played.verdicts, "\n".join([f"SOAK_SEED={SEED} SOAK_STEPS={STEPS}", *Played.verdicts])
