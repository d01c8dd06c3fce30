"""A delivery on its whole way: pushed by FTP, stored, compared, told, and asked for."""

from datetime import timedelta
from typing import Any

from contracts.events import ObjectsCompared
from contracts.names import Table
from contracts.rpc.ingest import DeliveryState


def keys(work: list[Any], table: Table) -> set[str]:
    return {changed.key for message in work if message.table is table for changed in message.objects}


async def test_a_first_delivery_is_stored_and_told(ingest: Any, kit: Any) -> None:
    book = kit.a_book(3)
    delivery = await ingest.deliver(book.files())
    assert (delivery.state, delivery.reason) == (DeliveryState.IMPORTED, None)
    assert delivery.files == 13
    assert delivery.counts[Table.KUNDE].new == 3
    work = await ingest.work()
    assert keys(work, Table.KUNDE) == {"5000000001", "5000000002", "5000000003"}
    assert keys(work, Table.VERTRAG) == {"1001", "1002", "1003"}
    assert keys(work, Table.SPARTE) == {"050", "060"}
    assert Table.KUNDENKOMMUNIKATION not in {message.table for message in work}
    order = list(Table)
    assert [order.index(message.table) for message in work] == sorted(order.index(m.table) for m in work)
    names = [event.type for event in await ingest.events()]
    assert names[:2] == ["ftp_user_created", "delivery_received"]
    assert names[-1] == "delivery_imported"
    compared = [event.typed() for event in await ingest.events() if event.type == "objects_compared"]
    assert all(isinstance(event, ObjectsCompared) for event in compared)


async def test_a_kunde_is_composed_of_its_row_its_lists_its_kontaktdaten_and_its_details(
    ingest: Any, kit: Any
) -> None:
    book = kit.a_book(1)
    book.kontakt("7", "5000000001", "telefon", "030 1", standard="0")
    book.kontakt("8", "5000000001", "telefon", "030 2", standard="1")
    book.detail("5000000001", "1", "Segeln")
    await ingest.deliver(book.files())
    kunde = (await ingest.objects(Table.KUNDE, "5000000001"))["5000000001"]
    assert kunde.unknown == ()
    assert kunde.fields == {
        "ameise_id": "5000000001", "vermittler_id": "DEMO01", "anrede_id": "2", "titel": None,
        "vorname": "Anna", "nachname": "Müller 5000000001", "strasse": None, "plz": "01067", "ort": None,
        "land_id": "DE", "geburtsdatum": "1980-01-02", "beruf": None, "nationalitaet": None,
        "rechtsform_id": None, "benutzername_simplr": None, "verstorben": False, "last_simplr_login_at": None,
        "created_at": "2020-03-01T00:00:00",
        "anrede": "Frau", "juristische_person": False, "land": "Deutschland", "rechtsform": None,
        "vermittler": "Makler Nord",
        "email": "anna1@example.org", "telefon": "030 2", "mobil": None, "website": None, "fax": None,
        "kommunikationen": [
            {"art": "email", "kontext": "private", "wert": "anna1@example.org", "standard": True},
            {"art": "telefon", "kontext": "private", "wert": "030 2", "standard": True},
            {"art": "telefon", "kontext": "private", "wert": "030 1", "standard": False},
        ],
        "details": {"Hobby": "Segeln"},
    }  # fmt: skip
    vertrag = (await ingest.objects(Table.VERTRAG, "1001"))["1001"]
    assert vertrag.fields == {
        "ameise_id": "1001", "kunde_id": "5000000001", "vermittler_id": "DEMO01", "sparte_id": "050",
        "gesellschaft_id": "10330", "status_id": "F", "zahlweise_id": "1", "versicherungsscheinnummer": None,
        "risiko": "PKW", "beitrag_netto": "1234.50", "beginn": "2020-01-01", "ablauf": "2030-12-31",
        "sparte": "Kfz-Versicherung", "gesellschaft": "Nordlicht Versicherung AG", "status": "Fremdvertrag",
        "zahlweise": "jährlich", "vermittler": "Makler Nord",
    }  # fmt: skip


async def test_the_versions_told_are_those_of_the_objects(ingest: Any, kit: Any) -> None:
    await ingest.deliver(kit.a_book(2).files())
    told = {
        (message.table, changed.key): changed.version
        for message in await ingest.work()
        for changed in message.objects
    }
    for table in (Table.KUNDE, Table.VERTRAG, Table.LAND):
        wanted = [key for of, key in told if of is table]
        objects = await ingest.objects(table, *wanted)
        assert {key: told[table, key] for key in wanted} == {k: o.version for k, o in objects.items()}


async def test_the_next_delivery_tells_exactly_what_differs(ingest: Any, kit: Any) -> None:
    book = kit.a_book(6)
    await ingest.deliver(book.files())
    await ingest.work()
    kunden = book.tables[Table.KUNDE]
    kunden[0]["nachname"] = "Schmidt"
    book.tables[Table.KUNDENKOMMUNIKATION][1]["wert"] = "neu@example.org"
    del kunden[5]
    del book.tables[Table.VERTRAG][5]
    book.kunde("5000000077")
    delivery = await ingest.deliver(book.files(day="20261125"))
    work = await ingest.work()
    assert keys(work, Table.KUNDE) == {"5000000001", "5000000002", "5000000006", "5000000077"}
    assert keys(work, Table.VERTRAG) == {"1006"}
    assert {message.table for message in work} == {Table.KUNDE, Table.VERTRAG}
    gone = {changed.key for message in work for changed in message.objects if changed.gone}
    assert gone == {"5000000006", "1006"}
    counts = delivery.counts[Table.KUNDE]
    assert (counts.new, counts.changed, counts.unchanged, counts.gone) == (1, 1, 4, 1)


async def test_an_event_names_the_changed_fields_and_never_a_value(ingest: Any, kit: Any) -> None:
    book = kit.a_book(1)
    await ingest.deliver(book.files())
    before = len(await ingest.events())
    book.tables[Table.KUNDE][0]["nachname"] = "Schmidt"
    book.tables[Table.KUNDENKOMMUNIKATION][0]["wert"] = "neu@example.org"
    await ingest.deliver(book.files(day="20261125"))
    events = (await ingest.events())[before:]
    [compared] = [event for event in events if event.type == "objects_compared"]
    [change] = compared.typed().objects
    assert change.fields == ("email", "kommunikationen", "nachname")
    assert "Schmidt" not in "".join(event.model_dump_json() for event in events)


async def test_a_kontaktdatum_alone_changes_its_kunde(ingest: Any, kit: Any) -> None:
    book = kit.a_book(2)
    await ingest.deliver(book.files())
    await ingest.work()
    book.tables[Table.KUNDENKOMMUNIKATION][0]["wert"] = "neu@example.org"
    assert (await ingest.deliver(book.files(day="20261125"))).state is DeliveryState.IMPORTED
    assert keys(await ingest.work(), Table.KUNDE) == {"5000000001"}


async def test_the_same_files_again_change_nothing(ingest: Any, kit: Any) -> None:
    book = kit.a_book(3)
    await ingest.deliver(book.files())
    await ingest.work()
    delivery = await ingest.deliver(book.files())
    assert await ingest.work() == []
    assert all(n.new == n.changed == n.gone == 0 for n in delivery.counts.values())


async def test_a_changed_list_text_changes_who_refers_to_it(ingest: Any, kit: Any) -> None:
    book = kit.a_book(2)
    book.kunde("5000000009", land_id="AT")
    await ingest.deliver(book.files())
    await ingest.work()
    book.tables[Table.LAND][0]["text"] = "Bundesrepublik"
    await ingest.deliver(book.files())
    work = await ingest.work()
    assert keys(work, Table.KUNDE) == {"5000000001", "5000000002"}
    assert keys(work, Table.LAND) == {"DE"}


async def test_a_kontaktdatum_or_a_detail_alone_changes_its_kunde(ingest: Any, kit: Any) -> None:
    book = kit.a_book(3)
    book.detail("5000000002", "1", "Segeln")
    await ingest.deliver(book.files())
    await ingest.work()
    book.tables[Table.KUNDENKOMMUNIKATION][0]["wert"] = "neu@example.org"
    await ingest.deliver(book.files())
    assert keys(await ingest.work(), Table.KUNDE) == {"5000000001"}
    book.tables[Table.KUNDENDETAIL][0]["wert"] = "Wandern"
    await ingest.deliver(book.files())
    assert keys(await ingest.work(), Table.KUNDE) == {"5000000002"}


async def test_a_detail_that_a_kunde_lacks_is_empty_only_while_there_is_such_a_field(
    ingest: Any, kit: Any
) -> None:
    book = kit.a_book(2)
    book.tables[Table.KUNDENDETAILFELD].append({"id": "2", "bezeichnung": "Verein", "typ": "text"})
    hobby, own = book.tables[Table.KUNDENDETAILFELD][0], book.detail("5000000001", "1", "Segeln")

    async def details() -> list[Any]:
        await ingest.deliver(book.files())
        found = await ingest.objects(Table.KUNDE, "5000000001", "5000000002")
        return [found[key].fields["details"] for key in sorted(found)]

    assert await details() == [{"Hobby": "Segeln", "Verein": None}, {"Hobby": None, "Verein": None}]
    hobby["bezeichnung"] = "Freizeit"
    assert await details() == [{"Freizeit": "Segeln", "Verein": None}, {"Freizeit": None, "Verein": None}]
    own["feld_id"] = "2"
    assert await details() == [{"Freizeit": None, "Verein": "Segeln"}, {"Freizeit": None, "Verein": None}]


async def test_a_gone_kunde_is_a_tombstone_and_can_come_back(ingest: Any, kit: Any) -> None:
    book = kit.a_book(3)
    await ingest.deliver(book.files())
    first = (await ingest.objects(Table.KUNDE, "5000000003"))["5000000003"]
    removed = book.tables[Table.KUNDE].pop()
    await ingest.deliver(book.files())
    gone = (await ingest.objects(Table.KUNDE, "5000000003"))["5000000003"]
    assert (gone.gone, gone.fields) == (True, {})
    assert gone.version != first.version
    await ingest.work()
    book.tables[Table.KUNDE].append(removed)
    await ingest.deliver(book.files())
    assert (await ingest.objects(Table.KUNDE, "5000000003"))["5000000003"].version == first.version
    assert keys(await ingest.work(), Table.KUNDE) == {"5000000003"}


async def test_unreadable_cells_keep_what_is_stored_and_are_no_change(ingest: Any, kit: Any) -> None:
    book = kit.a_book(2)
    await ingest.deliver(book.files())
    await ingest.work()
    book.tables[Table.KUNDE][0]["geburtsdatum"] = "31.2.1980"
    book.tables[Table.VERTRAG][0]["beitrag_netto"] = "viel"
    delivery = await ingest.deliver(book.files())
    assert (delivery.state, delivery.problems) == (DeliveryState.IMPORTED_WITH_WARNINGS, 2)
    assert await ingest.work() == []
    kunde = (await ingest.objects(Table.KUNDE, "5000000001"))["5000000001"]
    assert (kunde.fields["geburtsdatum"], kunde.unknown) == ("1980-01-02", ())


async def test_a_value_that_was_never_readable_is_unknown_until_it_is(ingest: Any, kit: Any) -> None:
    book = kit.a_book(1)
    book.tables[Table.KUNDE][0]["geburtsdatum"] = "gestern"
    await ingest.deliver(book.files())
    kunde = (await ingest.objects(Table.KUNDE, "5000000001"))["5000000001"]
    assert kunde.unknown == ("geburtsdatum",)
    assert "geburtsdatum" not in kunde.fields
    await ingest.work()
    book.tables[Table.KUNDE][0]["geburtsdatum"] = ""
    await ingest.deliver(book.files())
    kunde = (await ingest.objects(Table.KUNDE, "5000000001"))["5000000001"]
    assert (kunde.fields["geburtsdatum"], kunde.unknown) == (None, ())
    assert keys(await ingest.work(), Table.KUNDE) == {"5000000001"}


async def test_an_id_that_no_list_holds_makes_its_text_unknown(ingest: Any, kit: Any) -> None:
    book = kit.Book()
    book.kunde("5000000001", land_id="XX", anrede_id="")
    await ingest.deliver(book.files())
    kunde = (await ingest.objects(Table.KUNDE, "5000000001"))["5000000001"]
    assert kunde.unknown == ("land",)
    assert (kunde.fields["land_id"], kunde.fields["anrede"]) == ("XX", None)


def with_column(files: dict[str, bytes], ending: str, heading: str, value: str) -> dict[str, bytes]:
    """The same files; the one with this ending has a column more."""
    [name] = [name for name in files if name.endswith(ending)]
    head, *lines = files[name].decode().splitlines()
    wider = [f"{head};{heading}", *(f"{line};{value}" for line in lines)]
    return files | {name: ("\r\n".join(wider) + "\r\n").encode()}


async def test_an_unknown_column_that_stops_coming_keeps_its_values_and_changes_nothing(
    ingest: Any, kit: Any
) -> None:
    book = kit.a_book(1)
    await ingest.deliver(with_column(book.files(), "_kunden.csv", "mehr", "x"))
    second = await ingest.deliver(book.files())
    assert (second.counts[Table.KUNDE].changed, second.counts[Table.KUNDE].unchanged) == (0, 1)
    await ingest.deliver(with_column(book.files(), "_kunden.csv", "neu", "y"))
    [(extra,)] = await ingest.sql("SELECT extra FROM kunde")
    assert extra == {"mehr": "x", "neu": "y"}
    [(before, after)] = await ingest.sql("SELECT before, after FROM history")
    assert (before, after) == ({"extra": {"mehr": "x"}}, {"extra": {"mehr": "x", "neu": "y"}})


async def test_a_kunde_is_as_old_as_the_oldest_table_that_it_is_made_of(start: Any, kit: Any) -> None:
    async with start(waiting_time=timedelta(0), quiet_seconds=1.5) as ingest:
        book = kit.a_book(1)
        first = await ingest.deliver(book.files())
        book.tables[Table.KUNDE][0]["nachname"] = "Schmidt"
        second = await ingest.deliver(book.files(without=(Table.KUNDENKOMMUNIKATION,), day="20261125"))
        assert first.as_of < second.as_of
        kunde = (await ingest.objects(Table.KUNDE, "5000000001"))["5000000001"]
        assert (kunde.fields["nachname"], kunde.as_of) == ("Schmidt", first.as_of)
        vertrag = (await ingest.objects(Table.VERTRAG, "1001"))["1001"]
        assert vertrag.as_of == second.as_of


async def test_kontaktdaten_that_were_never_delivered_are_unknown_and_become_known(
    start: Any, lay_down: Any, kit: Any
) -> None:
    book = kit.Book()
    book.kunde("5000000001")
    lay_down(book.files(without=(Table.KUNDENKOMMUNIKATION,)))
    async with start(waiting_time=timedelta(0), quiet_seconds=1.5) as ingest:
        delivery = await ingest.ended(1)
        assert delivery.missing == (Table.KUNDENKOMMUNIKATION,)
        kunde = (await ingest.objects(Table.KUNDE, "5000000001"))["5000000001"]
        assert set(kunde.unknown) == {"kommunikationen", "email", "telefon", "mobil", "website", "fax"}
        await ingest.work()
    lay_down(book.files())
    async with start() as ingest:
        await ingest.ended(2)
        kunde = (await ingest.objects(Table.KUNDE, "5000000001"))["5000000001"]
        assert (kunde.fields["email"], kunde.unknown) == (None, ())
        assert keys(await ingest.work(), Table.KUNDE) == {"5000000001"}


async def test_kontaktdaten_that_came_cut_off_are_unknown_until_they_come_whole(
    ingest: Any, kit: Any
) -> None:
    book = kit.a_book(2)
    files = book.files()
    [name] = [name for name in files if name.endswith("_kundenkommunikation.csv")]
    second_row = files[name].index(b"\r\n2;") + len(b"\r\n2;")
    await ingest.deliver(files | {name: files[name][:second_row]})
    kunden = await ingest.objects(Table.KUNDE, "5000000001", "5000000002")
    assert all({"email", "kommunikationen"} <= set(kunde.unknown) for kunde in kunden.values())
    await ingest.work()
    del book.tables[Table.KUNDENKOMMUNIKATION][1]
    await ingest.deliver(book.files())
    kunden = await ingest.objects(Table.KUNDE, "5000000001", "5000000002")
    emails = [kunden[key].fields["email"] for key in ("5000000001", "5000000002")]
    assert emails == ["anna1@example.org", None]
    assert keys(await ingest.work(), Table.KUNDE) == {"5000000001", "5000000002"}
    await ingest.deliver(files | {name: files[name][:second_row]})
    assert (await ingest.objects(Table.KUNDE, "5000000002"))["5000000002"].unknown == ()


async def test_an_emptied_table_holds_the_delivery_and_nothing_is_visible(ingest: Any, kit: Any) -> None:
    book = kit.a_book(3)
    await ingest.deliver(book.files())
    await ingest.work()
    book.tables[Table.VERTRAG].clear()
    book.tables[Table.KUNDE][0]["nachname"] = "Schmidt"
    delivery = await ingest.deliver(book.files())
    assert delivery.state is DeliveryState.HELD
    assert delivery.reason == "vertrag: leer, obwohl 3 Zeilen gespeichert sind"
    assert await ingest.work() == []
    assert (await ingest.objects(Table.KUNDE, "5000000001"))["5000000001"].fields["nachname"] != "Schmidt"
    assert (await ingest.events())[-1].type == "delivery_held"


async def test_a_shrunken_table_holds_the_delivery(ingest: Any, kit: Any) -> None:
    book = kit.a_book(60)
    await ingest.deliver(book.files())
    del book.tables[Table.KUNDE][30:]
    delivery = await ingest.deliver(book.files())
    assert (delivery.state, delivery.reason) == (DeliveryState.HELD, "kunde: 30 von 60 Zeilen fehlen")


async def test_a_lost_column_holds_the_delivery(ingest: Any, kit: Any) -> None:
    book = kit.a_book(1)
    await ingest.deliver(book.files())
    files = book.files()
    [name] = [name for name in files if name.endswith("_kunden.csv")]
    files[name] = files[name].replace(b"nachname", b"familienname")
    delivery = await ingest.deliver(files)
    assert delivery.state is DeliveryState.HELD
    assert delivery.reason == "kunde: Spalte nachname fehlt, bisher kam sie"


async def test_a_delivery_without_a_readable_file_fails_and_the_next_one_works(ingest: Any, kit: Any) -> None:
    book = kit.a_book(1)
    failed = await ingest.deliver(dict.fromkeys(book.files(), b"\x00" * 100))
    assert (failed.state, failed.problems) == (DeliveryState.FAILED, 13)
    assert (await ingest.deliver(book.files())).state is DeliveryState.IMPORTED


async def test_tenants_do_not_see_each_other(ingest: Any, kit: Any) -> None:
    other = type(kit.tenant)("hamburg")
    mine, theirs = kit.a_book(2), kit.a_book(1)
    theirs.tables[Table.KUNDE][0]["nachname"] = "Hansen"
    await ingest.deliver(mine.files())
    await ingest.deliver(theirs.files(), tenant=other)
    assert len(await ingest.deliveries(other)) == 1
    one = "5000000001"
    assert (await ingest.objects(Table.KUNDE, one, tenant=other))[one].fields["nachname"] == "Hansen"
    assert (await ingest.objects(Table.KUNDE, one))[one].fields["nachname"] != "Hansen"
    assert await ingest.objects(Table.KUNDE, "5000000002", tenant=other) == {}
    work = await ingest.work()
    assert keys([message for message in work if message.tenant == other], Table.KUNDE) == {one}
