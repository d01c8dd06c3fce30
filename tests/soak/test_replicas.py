"""Three replicas do the work of one: all at once, doubled and out of order, it comes to the same end."""

import time
from datetime import UTC, datetime

from end_state import EndState, end_state

from soak.stage import Changed, Parts, Stage

KUNDEN, FORMS = 24, 6
PATIENCE_SECONDS = 10


def test_three_replicas_leave_behind_what_one_does(parts: Parts) -> None:
    one, three = _played(parts, 1), _played(parts, 3)
    assert three.difference(one) == []
    assert three.parked == ()
    assert three.created == FORMS


def _played(parts: Parts, replicas: int) -> EndState:
    """A morning: what people changed on both sides since yesterday, all told at once."""
    stage = Stage(parts, count=replicas)
    try:
        for replica in stage.replicas[1:]:
            replica.start()
        kunden = sorted(stage.run(stage.world.seed(KUNDEN, 4 * KUNDEN)))
        stage.chunks(stage.store_delivery(datetime.now(UTC)))
        stage.until_quiet()
        webhooks = stage.run(_edited(stage, kunden))
        changed = stage.store_delivery(datetime.now(UTC))
        _burst(stage, webhooks, changed)
        _all_at_work(stage, replicas)
        stage.until_quiet()
        stage.reconcile()
        stage.until_quiet()
        return stage.run(end_state(stage.store, stage.world, stage.urls.superuser))
    finally:
        stage.close()


async def _edited(stage: Stage, kunden: list[str]) -> list[str]:
    """Every Contact is edited in Zoho, every third Kunde in Ameise, some of both in the same field; people
    fill in forms. The ids of the records."""
    world, records = stage.world, []
    for number, kunde in enumerate(kunden):
        if number % 3 == 0:
            await world.edit_kunde(kunde, Beruf=f"Ameise {number}")
        contact = await world.contact_of(kunde)
        if contact is not None:
            field = "Beruf" if number % 2 else "Mailing_City"
            await world.edit(contact["id"], **{field: f"Zoho {number}"})
            records.append(contact["id"])
    for number in range(FORMS):
        records.append(
            await world.add(
                Salutation="Frau", First_Name="Anna", Last_Name=f"Formular{number}",
                Email=f"form{number}@example.org", Date_of_Birth=f"1990-01-{number + 1:02}",
            )
        )  # fmt: skip
    return records


def _burst(stage: Stage, webhooks: list[str], changed: Changed) -> None:
    """Each webhook comes twice, the second ones backwards, and so does the delivery."""
    for zoho_id in webhooks:
        stage.webhook(zoho_id, "Contacts")
    stage.chunks(changed)
    for zoho_id in reversed(webhooks):
        stage.webhook(zoho_id, "Contacts")
    stage.chunks({table: keys[::-1] for table, keys in changed.items()})


def _all_at_work(stage: Stage, replicas: int) -> None:
    """Each of them has its share of Zoho's simultaneous calls, so it made some."""
    ends = time.monotonic() + PATIENCE_SECONDS
    while len(at_work := stage.select("SELECT DISTINCT owner FROM call_share")) < replicas:
        assert time.monotonic() < ends, f"only {at_work} of {replicas} replicas at work"
        time.sleep(0.05)
