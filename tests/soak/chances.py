"""What may happen, and how likely: the draws of an example."""

from typing import Any

import hypothesis.strategies as st

from contracts.names import System
from contracts.streams import TO_AMEISE, TO_ZOHO
from soak.people import FIELDS, IN_AMEISE
from soak.stage import REPLICAS

WRITES = {
    "ameise": [r"/kunden$", r"/kunden/\d+$", r"/kontaktdaten", r"/adressen", r"/vertraege"],
    "zoho": [r"/crm/v8/(Contacts|Accounts|Vertraege)$", r"/upsert$", r"/bulk/v8/write"],
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

examples = st.tuples(st.integers(0, 2**60), st.integers(0, 2**60)).filter(all)
"""Names an example. Hypothesis tries what goes on in the simplest way, which is of no interest here and this
refuses, and earlier examples with small changes: by its name, one that was played is known."""
whom = st.integers(0, 10**6)
fates = st.sampled_from(["sent", "sent", "lost", "doubled", "delayed"])
streams = st.sampled_from(sorted(STREAMS))
replicas = st.integers(0, REPLICAS - 1)
rarely = st.sampled_from([False, False, False, True])
winners = st.sampled_from([System.AMEISE, System.ZOHO])
edited_then = st.sampled_from([None, None, System.AMEISE, System.ZOHO])
"""On which side somebody edits the field right after a decision."""


Happening = st.SearchStrategy[tuple[str, dict[str, Any]]]
"""The name of a step, and how it is taken."""


def _happening(step: str, **how: st.SearchStrategy[Any]) -> Happening:
    return st.tuples(st.just(step), st.fixed_dictionaries(how))


_faults = st.tuples(
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
_CHANCES: list[tuple[int, Happening]] = [
    # People at work.
    (10, _happening("somebody_edits_in_zoho", who=whom, name=st.sampled_from(sorted(FIELDS)), fate=fates)),
    (8, _happening("somebody_edits_in_ameise", who=whom, name=st.sampled_from(sorted(IN_AMEISE)))),
    (3, _happening("both_sides_edit", who=whom, name=st.sampled_from(["ort", "ort", "titel"]), fate=fates)),
    (2, _happening("a_person_decides", which=whom, winner=winners, then=edited_then)),
    (5, _happening("a_conflict_is_decided", who=whom, winner=winners, then=edited_then)),
    (4, _happening("a_form_makes_a_contact", fate=fates, twice=rarely)),
    (2, _happening("a_kunde_comes_to_ameise")),
    (
        4,
        _happening(
            "all_kunden_change_in_ameise",
            name=st.sampled_from(sorted(IN_AMEISE)), age=st.sampled_from([0.0, 0.0, 0.3]), fate=fates,
        ),
    ),
    (3, _happening("a_vertrag_is_typed_into_zoho", who=whom, fate=fates)),
    (2, _happening("a_vertrag_comes_to_ameise", who=whom)),
    (5, _happening("somebody_edits_a_vertrag_in_zoho", which=whom, fate=fates)),
    (4, _happening("somebody_edits_a_vertrag_in_ameise", which=whom)),
    # What ends the way of a record or of a Kunde, for good or for a while.
    (1, _happening("somebody_deletes_in_zoho", who=whom, fate=fates)),
    (1, _happening("somebody_merges_in_zoho", who=whom, other=whom, fate=fates, renumber=rarely)),
    (2, _happening("deliveries_leave_out_a_kunde", who=whom)),
    (2, _happening("a_kunde_is_gone_for_a_day", who=whom)),
    (1, _happening("deliveries_show_all_kunden_again")),
    (2, _happening("a_kunde_moves", who=whom, out_of_the_rule=st.booleans())),
    (2, _happening("a_record_moves", who=whom, out_of_the_rule=st.booleans(), fate=fates)),
    # Messages and time.
    (5, _happening("a_delivery_arrives", age=st.sampled_from([0.0, 0.0, 0.0, 0.3, 0.8]), fate=fates)),
    (2, _happening("what_was_delayed_arrives", backwards=st.booleans())),
    (6, _happening("time_passes", seconds=st.sampled_from([0.05, 0.3, 1.0]))),
    (2, _happening("an_admin_decides_about_bulk_writes", allowed=st.sampled_from([True, True, False]))),
    # Mishaps.
    (4, _faults),
    (3, _happening("sync_is_killed", which=replicas, after_ms=st.integers(0, 300))),
    (4, _happening("sync_is_started", which=replicas)),
    (
        1,
        _happening(
            "ameise_changes_its_habits",
            lag=st.sampled_from([0.0, 0.0, 1.0]), late=st.sampled_from([0.0, 0.0, 1.5]), phones=st.booleans(),
        ),
    ),
    (1, _happening("tokens_expire", vendor=st.sampled_from(["ameise", "zoho"]))),
    (1, _happening("nats_loses_messages", stream=streams)),
    (1, _happening("a_stream_is_made_anew", stream=streams)),
    (1, _happening("the_database_is_backed_up")),
    (1, _happening("a_day_passes")),
    (1, _happening("a_night_with_a_backup_passes")),
    (2, _happening("the_database_is_set_back")),
]  # fmt: skip

happenings = st.sampled_from(
    [number for number, (weight, _) in enumerate(_CHANCES) for _ in range(weight)]
).flatmap(lambda number: _CHANCES[number][1])
"""One of them, as often as its weight says: of several rules, Hypothesis leaves out some in each example."""
