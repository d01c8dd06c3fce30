"""What was written together is told together."""

from contracts.events import ObjectAction, WrittenRecord
from contracts.ids import AmeiseKey, PipelineId, TenantId, ZohoId, new_id
from contracts.names import Table
from sync.batch_store import told_as_written
from sync.pipelines import Pipeline
from sync.templates import NATUERLICHE_PERSON

PIPELINE = Pipeline(
    tenant=TenantId("berlin"), id=PipelineId("1"), name="Kunde", table=Table.KUNDE, module="Contacts",
    ameise_connection=new_id(), zoho_connection=new_id(), enabled=True, version=NATUERLICHE_PERSON.version,
    definition=NATUERLICHE_PERSON,
)  # fmt: skip


def records(count: int) -> list[WrittenRecord]:
    return [
        WrittenRecord(
            table=Table.KUNDE, key=AmeiseKey(f"500{n}"), action=ObjectAction.UPDATED, fields=("Beruf",),
            zoho_id=ZohoId(f"700{n}"),
        )
        for n in range(count)
    ]  # fmt: skip


def test_many_records_are_events_of_a_hundred_in_which_each_is_named() -> None:
    written = records(230)
    told = list(told_as_written(PIPELINE, written))
    assert [len(event.objects or ()) for event in told] == [100, 100, 30]
    assert [one for event in told for one in event.objects or ()] == written


def test_a_single_record_is_told_as_one() -> None:
    [told] = told_as_written(PIPELINE, records(1))
    assert told.objects is None
    assert told.object is not None
    assert (told.zoho_id, told.object.key) == ("7000", "5000")
