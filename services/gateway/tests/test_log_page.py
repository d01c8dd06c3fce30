"""Events as a person reads them."""

from contracts.actor import ActorKind
from contracts.events import (
    DeliveryImported,
    DeliveryUploaded,
    EventData,
    FormatChanged,
    KundeForgotten,
    ObjectAction,
    ObjectChange,
    ObjectsCompared,
    PipelineUpdated,
    RequestsRefused,
    SentAgain,
    TableCounts,
    TableDownloaded,
    TokenRefreshed,
    WrittenRecord,
    WrittenToZoho,
    new_event,
)
from contracts.ids import AmeiseKey, Kundennummer, PipelineId, TenantId, ZohoId, new_id
from contracts.names import Outcome, Service, System, Table
from contracts.rpc.audit import LogFilter
from gateway.log_page import LogForm, LogLine, line_of


def line(data: EventData, service: Service, /, *, about: LogFilter | None = None, **changed) -> LogLine:
    event = new_event(
        data, service=service, tenant=TenantId("team-eins"), actor_kind=ActorKind.SCHEDULE, actor_id="x",
        correlationid=new_id(),
    )  # fmt: skip
    return line_of(event.model_copy(update=changed), about)


def test_compared_objects_are_counted_by_table_and_action():
    def change(table: Table, key: int, action: ObjectAction) -> ObjectChange:
        return ObjectChange(table=table, key=AmeiseKey(str(key)), action=action)

    objects = (
        change(Table.VERTRAG, 1, ObjectAction.CREATED),
        change(Table.KUNDE, 1, ObjectAction.UPDATED),
        change(Table.KUNDE, 2, ObjectAction.UPDATED),
        change(Table.KUNDE, 3, ObjectAction.GONE),
    )
    shown = line(ObjectsCompared(delivery=new_id(), objects=objects), Service.INGEST)
    assert shown.details == "Kunden: 2 geändert, 1 entfallen; Verträge: 1 neu"


def test_of_many_written_records_the_one_that_is_looked_for_is_shown():
    objects = tuple(
        WrittenRecord(
            table=Table.KUNDE, key=AmeiseKey(f"500{n}"), action=ObjectAction.UPDATED, fields=(f"Feld_{n}",),
            zoho_id=ZohoId(f"70{n}"),
        )
        for n in range(3)
    )  # fmt: skip
    data = WrittenToZoho(pipeline=PipelineId("1"), module="Contacts", objects=objects)
    assert line(data, Service.SYNC).details == "Kunden: 3 geändert; Pipeline 1"
    for about in (LogFilter(key="5001"), LogFilter(zoho_id=ZohoId("701"))):
        shown = line(data, Service.SYNC, about=about)
        assert (shown.key, shown.zoho_id, shown.details) == ("5001", "701", "Felder: Feld_1; Pipeline 1")


def test_what_a_delivery_brought_and_what_was_sent_again_is_counted_by_table():
    counts = {
        Table.VERTRAG: TableCounts(gone=1, rejected=4),
        Table.KUNDE: TableCounts(new=3, changed=2, unchanged=9),
        Table.LAND: TableCounts(unchanged=5),
    }
    imported = line(DeliveryImported(delivery=new_id(), counts=counts), Service.INGEST)
    assert imported.details == "Kunden: 3 neu, 2 geändert; Verträge: 1 entfallen, 4 unlesbar"
    sent = line(SentAgain(counts={Table.KUNDE: 1000, Table.VERTRAG: 0}), Service.INGEST)
    assert sent.details == "Kunden: 1000; Verträge: 0"


def test_what_left_the_system_or_was_fitted_is_named():
    taken = line(TableDownloaded(table=Table.KUNDE, rows=1000), Service.INGEST)
    assert taken.details == "Kunden: 1000 Zeilen"
    fitted = line(FormatChanged(tables=(Table.KUNDE, Table.VERTRAG)), Service.INGEST)
    assert fitted.details == "Kunden, Verträge"


def test_a_forgotten_kunde_is_named_by_his_number():
    shown = line(
        KundeForgotten(kunde=Kundennummer("5001"), counts={"kunde": 1, "vertrag": 2}), Service.INGEST
    )
    assert (shown.key, shown.details) == ("5001", "Kunden: 1; Verträge: 2")


def test_the_system_and_the_reason_are_told():
    data = TokenRefreshed(connection=new_id(), system=System.ZOHO, reason="lief ab", outcome=Outcome.WARNING)
    shown = line(data, Service.AUTH)
    assert (shown.event, shown.details, shown.outcome) == (
        "Token erneuert", "Zoho CRM; lief ab", Outcome.WARNING,
    )  # fmt: skip


def test_data_of_a_newer_release_is_no_reason_to_fail():
    data = TokenRefreshed(connection=new_id(), system=System.ZOHO)
    strange = {"outcome": "splendid", "object": "?", "system": ["sap"], "pipeline": 3}
    shown = line(data, Service.AUTH, type="brand_new", data=strange)
    assert (shown.event, shown.outcome, shown.details) == ("brand_new", Outcome.OK, "Pipeline 3")


def test_a_person_is_named_and_a_system_is_not():
    by_hand = line(SentAgain(counts={}), Service.INGEST, actor_kind=ActorKind.USER, actor_id="admin")
    assert by_hand.actor == "Benutzer admin"
    assert line(SentAgain(counts={}), Service.INGEST).actor == "Zeitplan"


def test_a_pipeline_is_called_by_its_name_as_long_as_it_is_there():
    event = new_event(
        PipelineUpdated(pipeline=PipelineId("3")), service=Service.SYNC, tenant=TenantId("team-eins"),
        actor_kind=ActorKind.USER, actor_id="admin", correlationid=new_id(),
    )  # fmt: skip
    assert line_of(event, pipelines={"3": "Vertrag"}).details == "Pipeline „Vertrag“"
    assert line_of(event, pipelines={"1": "Kunde"}).details == "Pipeline 3"


def test_one_file_is_one():
    received = DeliveryUploaded(delivery=new_id(), files=1, bytes_=9)
    assert line(received, Service.INGEST).details == "1 Datei"


def test_only_the_forms_own_fields_are_kept():
    form = LogForm.of({"von": " 2026-11-24 ", "bis": "", "böse": "x", "nummer": "5&x"})
    assert form.values == {"von": "2026-11-24", "nummer": "5&x"}
    assert form.query(after="a=b") == "von=2026-11-24&nummer=5%26x&after=a%3Db"


def test_what_was_refused_is_counted_by_block_also_where_the_store_split_its_name():
    split = {"unauthorized": {"127": {"0": {"0": {"0/24": 3}}}, "other": 1}, "new_in_2027": {"::/48": 2}}
    event = new_event(
        RequestsRefused(counts={}), service=Service.GATEWAY, tenant="_system",
        actor_kind=ActorKind.SERVICE, actor_id="gateway", correlationid=new_id(),
    ).model_copy(update={"data": {"counts": split}})  # fmt: skip
    assert line_of(event).details == (
        "Anmeldung oder Token falsch: 4 (127.0.0.0/24, andere); new_in_2027: 2 (::/48)"
    )
