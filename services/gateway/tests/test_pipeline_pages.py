"""The pages on which pipelines are made, changed and deleted."""

import asyncio
import html
import re
import time
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser

import pytest

from contracts.names import System, Table
from contracts.problems import Conflict, Invalid, NotConnected, Unavailable
from contracts.rpc.auth import LIST_CONNECTIONS, Connections
from contracts.rpc.pipeline_definition import (
    AllOf,
    Compare,
    Comparison,
    FieldMapping,
    Not,
    PipelineDefinition,
    Policy,
    ValueType,
    Way,
)
from contracts.rpc.sync_pipelines import (
    CREATE_PIPELINE,
    DELETE_PIPELINE,
    GET_PIPELINE,
    LIST_TEMPLATES,
    PIPELINE_FIELDS,
    UPDATE_PIPELINE,
    KnownField,
    PipelineDetail,
    PipelineFields,
    PipelineGone,
    PipelineTemplate,
    PipelineTemplates,
)
from gateway.routes import pipeline_pages

THERE = PipelineFields(
    ameise=(KnownField(name="plz"), KnownField(name="verstorben", type=ValueType.BOOLEAN)),
    zoho=(KnownField(name="Mailing_City", label="Ort"),),
)
DEFINITION = PipelineDefinition(
    unique_field="Kundennummer",
    ameise_rule=Not(negate=Compare(field="plz", compare=Comparison.BEGINS_WITH, value="<1>")),
    fields=(
        FieldMapping(ameise="ameise_id", zoho="Kundennummer", way=Way.TO_ZOHO),
        FieldMapping(ameise="nachname", zoho="Last_Name", max_length=80, required=True),
    ),
)
TEMPLATE = PipelineTemplate(name="Kunde", table=Table.KUNDE, module="Contacts", definition=DEFINITION)


@pytest.fixture
def connections(a_connection):
    return a_connection(system=System.AMEISE), a_connection()


@pytest.fixture
async def browser(fake_services, browser_of_a_team, a_pipeline, connections):
    detail = PipelineDetail(pipeline=a_pipeline(), version="v1", definition=DEFINITION)
    for rpc in (CREATE_PIPELINE, GET_PIPELINE, UPDATE_PIPELINE):
        fake_services.answer(rpc, detail)
    fake_services.answer(PIPELINE_FIELDS, THERE)
    fake_services.answer(LIST_TEMPLATES, PipelineTemplates(pipelines=(TEMPLATE,), picklists=()))
    fake_services.answer(LIST_CONNECTIONS, Connections(connections=connections))
    fake_services.answer(DELETE_PIPELINE, PipelineGone(links=1000, works=5))
    return await browser_of_a_team()


def fields_of(page: str) -> dict[str, str]:
    """What a browser would send of the edit page's form, were its main button pressed."""
    form = page[page.index('/edit">') :]
    sent = dict(re.findall(r'<input (?:type="hidden" )?name="([^"]+)" value="([^"]*)"', form))
    for name, inner in re.findall(r'<select name="([^"]+)"[^>]*>(.*?)</select>', form, re.DOTALL):
        values = re.findall(r'<option value="([^"]*)"( selected)?', inner)
        sent[name] = next((value for value, chosen in values if chosen), values[0][0])
    for name, text in re.findall(r'<textarea name="([^"]+)"[^>]*>(.*?)</textarea>', form, re.DOTALL):
        sent[name] = text
    for name, value in re.findall(r'<input type="checkbox" name="([^"]+)" value="([^"]*)" checked', form):
        sent[name] = value
    return {name: html.unescape(value) for name, value in sent.items()}


def attributes_of(page: str, name: str) -> dict[str, str | None]:
    """Of the input so named, as a browser understands them."""
    found: dict[str, str | None] = {}

    class Inputs(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            if tag == "input" and ("name", name) in attrs:
                found.update(attrs)

    Inputs().feed(page)
    return found


def faults_at(page: str, name: str) -> str:
    """The words beside one field."""
    found = re.search(rf'name="{re.escape(name)}"(.*?)</label>', page, re.DOTALL)
    assert found is not None, name
    return found[1]


@pytest.mark.parametrize(
    ("name", "attribute", "value"),
    [
        ("unique_field", "list", "fields-zoho"),
        ("f1.zoho", "list", "fields-zoho"),
        ("f1.ameise", "list", "fields-ameise"),
        ("layout", "inputmode", "numeric"),
        ("f2.max_length", "inputmode", "numeric"),
        ("name", "maxlength", "80"),
        ("name", "required", None),
    ],
)
async def test_a_browser_is_told_what_to_suggest_and_what_is_typed(browser, name, attribute, value):
    page = await browser.get("/pipelines/1/edit")
    assert attributes_of(page, name)[attribute] == value
    if attribute == "list":
        assert f'<datalist id="{value}"><option value=' in page


@pytest.mark.parametrize("there", [PipelineFields(), THERE])
async def test_a_form_that_is_sent_as_it_came_changes_nothing(browser, fake_services, there):
    fake_services.answer(PIPELINE_FIELDS, there)
    page = await browser.get("/pipelines/1/edit")
    assert "&lt;1&gt;" in page
    assert fields_of(page)["ameise_rule.1.compare"] == "not:begins_with"
    page = await browser.post("/pipelines/1/edit", **fields_of(page))
    [asked] = fake_services.requests(UPDATE_PIPELINE)
    assert asked.definition == DEFINITION
    assert (asked.name, asked.version) == ("Kunden (natürlich)", "v1")


async def test_one_more_row_is_offered_and_stored_once_it_is_filled_in(browser, fake_services):
    page = await browser.get("/pipelines/1/edit")
    page = await browser.post("/pipelines/1/edit", **fields_of(page), more="1")
    assert "Neues Feld" in page
    assert fake_services.requests(UPDATE_PIPELINE) == []
    typed = fields_of(page) | {"f3.ameise": "titel", "f3.zoho": "Titel", "f3.policy": "ask"}
    await browser.post("/pipelines/1/edit", **typed)
    [asked] = fake_services.requests(UPDATE_PIPELINE)
    assert asked.definition.fields[2] == FieldMapping(ameise="titel", zoho="Titel", policy=Policy.ASK)


async def test_a_rule_grows_by_rows_that_name_the_fields_that_there_are(browser, fake_services):
    page = await browser.get("/pipelines/1/edit")
    assert "Ort (Mailing_City)" not in page, "no row yet"
    page = await browser.post("/pipelines/1/edit", **fields_of(page), rule="row:zoho_rule")
    assert '<option value="Mailing_City">Ort (Mailing_City)</option>' in page
    page = await browser.post("/pipelines/1/edit", **fields_of(page), rule="row:ameise_rule")
    assert fake_services.requests(UPDATE_PIPELINE) == []
    typed = fields_of(page) | {"ameise_rule.2.field": "verstorben", "ameise_rule.2.value": "nein"}
    await browser.post("/pipelines/1/edit", **typed)
    [asked] = fake_services.requests(UPDATE_PIPELINE)
    alive = Compare(field="verstorben", compare=Comparison.EQUALS, value=False, type=ValueType.BOOLEAN)
    assert asked.definition.ameise_rule == AllOf(all_of=(DEFINITION.ameise_rule, alive))
    assert asked.definition.zoho_rule is None


async def test_it_is_said_if_a_rule_lost_all_it_asked_for(browser, fake_services):
    typed = fields_of(await browser.get("/pipelines/1/edit"))
    emptied = "Die Auswahlregel für Objekte aus Ameise ist jetzt leer: alle gehen nach Zoho."
    assert "ist jetzt leer" not in await browser.post("/pipelines/1/edit", **typed)
    blank = {"ameise_rule.1.field": "", "ameise_rule.1.value": "", "ameise_rule.1.compare": "equals"}
    page = await browser.post("/pipelines/1/edit", **(typed | blank))
    assert fake_services.requests(UPDATE_PIPELINE)[-1].definition.ameise_rule is None
    assert emptied in page
    assert "Zoho-Datensätze ist jetzt leer" not in page, "it was empty before"


async def test_lines_are_not_glued_when_several_values_become_one(browser, fake_services):
    typed = fields_of(await browser.get("/pipelines/1/edit")) | {"ameise_rule.1.value": "1\n2"}
    page = await browser.post("/pipelines/1/edit", status=422, **typed)
    assert "nur ein Wert" in row_of(page, "ameise_rule.1")
    assert '<textarea name="ameise_rule.1.value"' in page
    assert fields_of(page)["ameise_rule.1.value"].splitlines() == ["1", "2"]


async def test_a_typed_yes_stays_one_when_the_page_offers_the_words(browser, fake_services):
    typed = fields_of(await browser.get("/pipelines/1/edit"))
    typed |= {"ameise_rule.1.field": "verstorben", "ameise_rule.1.compare": "equals"}
    typed |= {"ameise_rule.1.value": "wahr"}
    page = await browser.post("/pipelines/1/edit", **typed, rule="row:ameise_rule")
    assert fields_of(page)["ameise_rule.1.value"] == "ja"


async def test_how_several_values_are_typed_stands_at_the_row(browser, fake_services):
    page = await browser.get("/pipelines/1/edit")
    assert "mit ; trennen, oder je Zeile ein Wert" in row_of(page, "ameise_rule.1")


@pytest.mark.parametrize("what", ["row", "group"])
async def test_the_browser_goes_to_the_part_that_was_added(browser, what):
    page = await browser.get("/pipelines/1/edit")
    button = re.search(rf'value="{what}:ameise_rule" formaction="[^"]*#([^"]+)"', page)
    assert button is not None
    assert f'id="{button[1]}"' not in page
    page = await browser.post("/pipelines/1/edit", **fields_of(page), rule=f"{what}:ameise_rule")
    assert f'id="{button[1]}"' in page
    assert "autofocus" not in page, "a browser that goes to a place does not heed it"


async def test_what_is_wrong_with_a_rule_is_said_at_its_row(browser, fake_services):
    page = await browser.get("/pipelines/1/edit")
    page = await browser.post("/pipelines/1/edit", **fields_of(page), rule="row:ameise_rule")
    typed = fields_of(page) | {"ameise_rule.2.field": "verstorben", "ameise_rule.2.value": "wer weiß"}
    page = await browser.post("/pipelines/1/edit", status=422, **typed)
    assert "bitte ja oder nein" in row_of(page, "ameise_rule.2")
    assert "wer weiß" in page
    refused = "Regel für Objekte aus Ameise: ein Feld plz gibt es in Ameise nicht, ähnlich: plzz"
    fake_services.answer(UPDATE_PIPELINE, Invalid(refused))
    page = await browser.post("/pipelines/1/edit", status=422, **(typed | {"ameise_rule.2.value": "ja"}))
    assert "ein Feld plz gibt es in Ameise nicht" in row_of(page, "ameise_rule.1")


def row_of(page: str, place: str) -> str:
    """A row of a rule, with the words beneath it."""
    return page[page.index(f'id="{place}"') :].partition('class="buttons"')[0].partition("rule-row")[0]


async def test_a_rule_is_edited_as_json_by_those_who_like_to(browser, fake_services):
    page = await browser.get("/pipelines/1/edit")
    page = await browser.post("/pipelines/1/edit", **fields_of(page), rule="json:ameise_rule")
    typed = fields_of(page)
    assert '"negate"' in typed["ameise_rule"]
    await browser.post("/pipelines/1/edit", **typed)
    assert fake_services.requests(UPDATE_PIPELINE)[0].definition == DEFINITION
    page = await browser.post("/pipelines/1/edit", **typed, rule="form:ameise_rule")
    assert fields_of(page)["ameise_rule.1.value"] == "<1>"


async def test_what_was_typed_is_not_lost_while_sync_does_not_answer(browser, fake_services):
    typed = fields_of(await browser.get("/pipelines/1/edit")) | {"f2.zoho": "Surname"}
    away = Unavailable("Der Dienst sync läuft gerade nicht.", remedy="Gleich noch einmal versuchen.")
    fake_services.answer(UPDATE_PIPELINE, away)
    page = await browser.post("/pipelines/1/edit", status=503, **typed)
    assert "Nicht gespeichert. Der Dienst sync läuft gerade nicht." in page
    assert fields_of(page)["f2.zoho"] == "Surname"
    fake_services.answer(GET_PIPELINE, away)
    page = await browser.post("/pipelines/1/edit", status=503, **typed)
    assert "Nicht gespeichert. Der Dienst sync läuft gerade nicht." in page
    assert fields_of(page)["f2.zoho"] == "Surname"
    page = await browser.post("/pipelines/1/edit", **fields_of(page), more="1")
    assert fields_of(page)["f2.zoho"] == "Surname"


async def test_while_sync_is_silent_all_is_waited_for_at_once(browser, fake_services, monkeypatch):
    typed = fields_of(await browser.get("/pipelines/1/edit")) | {"f2.zoho": "Surname"}
    for rpc, seconds in (GET_PIPELINE, 1), (PIPELINE_FIELDS, 3):
        monkeypatch.setattr(
            pipeline_pages, rpc.name.upper(), replace(rpc, timeout=timedelta(seconds=seconds))
        )
        fake_services.answer(rpc, lambda _: asyncio.sleep(3))
    started = time.monotonic()
    page = await browser.post("/pipelines/1/edit", status=503, **typed)
    assert time.monotonic() - started < 2.5
    assert fields_of(page)["f2.zoho"] == "Surname"


async def test_what_is_stored_though_it_was_not_sent_again_is_shown_with_its_new_version(
    browser, fake_services, a_pipeline
):
    typed = fields_of(await browser.get("/pipelines/1/edit")) | {"policy": "ask"}
    stored = DEFINITION.model_copy(update={"policy": Policy.ASK})

    def store(_):
        after = PipelineDetail(pipeline=a_pipeline(), version="v2", definition=stored)
        fake_services.answer(GET_PIPELINE, after)
        raise Unavailable("Der Dienst ingest läuft gerade nicht.")

    fake_services.answer(UPDATE_PIPELINE, store)
    page = await browser.post("/pipelines/1/edit", **typed)
    assert "Gespeichert, aber" in page
    assert "Nicht gespeichert" not in page
    assert (fields_of(page)["version"], fields_of(page)["policy"]) == ("v2", "ask")


async def test_it_is_said_if_nobody_knows_whether_it_was_stored(browser, fake_services):
    typed = fields_of(await browser.get("/pipelines/1/edit")) | {"f2.zoho": "Surname"}

    def vanish(_):
        fake_services.answer(GET_PIPELINE, Unavailable("Der Dienst sync läuft gerade nicht."))
        raise Unavailable("Der Dienst sync antwortet nicht.")

    fake_services.answer(UPDATE_PIPELINE, vanish)
    page = await browser.post("/pipelines/1/edit", status=503, **typed)
    assert "Ob gespeichert wurde, ist nicht zu erfahren" in page
    assert fields_of(page)["f2.zoho"] == "Surname"


async def test_it_is_said_if_zoho_did_not_say_which_fields_there_are(browser, fake_services, a_pipeline):
    page = await browser.get("/pipelines/1/edit")
    words = "ob die Namen stimmen, ist nicht geprüft"
    assert words not in await browser.post("/pipelines/1/edit", **fields_of(page))
    unchecked = PipelineDetail(
        pipeline=a_pipeline(), version="v1", definition=DEFINITION, unchecked=(System.ZOHO,)
    )
    fake_services.answer(UPDATE_PIPELINE, unchecked)
    assert words in await browser.post("/pipelines/1/edit", **fields_of(page))


async def test_what_cannot_be_stays_typed_with_words_beside_it(browser, fake_services):
    typed = fields_of(await browser.get("/pipelines/1/edit"))
    typed |= {"f2.zoho": "Last <Name>", "zoho_rule": "{", "name": "N"}
    page = await browser.post("/pipelines/1/edit", status=422, **typed)
    assert "Nicht gespeichert." in page
    assert "Last &lt;Name&gt;" in page
    assert "so heißt nichts in der API von Zoho" in faults_at(page, "f2.zoho")
    assert "kein gültiges JSON" in faults_at(page, "zoho_rule")
    page = await browser.post("/pipelines/1/edit", status=422, **(fields_of(page) | {"name": "N" * 81}))
    assert fake_services.requests(UPDATE_PIPELINE) == []


async def test_a_name_too_long_is_said_at_the_name(browser):
    typed = fields_of(await browser.get("/pipelines/1/edit")) | {"name": "N" * 81}
    page = await browser.post("/pipelines/1/edit", status=422, **typed)
    assert "ist zu lang" in faults_at(page, "name")


async def test_what_sync_refuses_is_said_at_its_field(browser, fake_services):
    refused = "Fehlt trägt den Schlüssel: ihm muss; nachname: die Pipeline geht nur nach Zoho"
    fake_services.answer(UPDATE_PIPELINE, Invalid(refused))
    typed = fields_of(await browser.get("/pipelines/1/edit"))
    page = await browser.post("/pipelines/1/edit", status=422, **typed)
    assert "trägt den Schlüssel" in faults_at(page, "unique_field")
    assert 'class="mapping wrong" open' in page
    assert '<span class="fault" role="alert">die Pipeline geht nur nach Zoho</span></summary>' in page
    fake_services.answer(
        UPDATE_PIPELINE, Conflict("die Pipeline wurde inzwischen geändert", remedy="neu laden")
    )
    page = await browser.post("/pipelines/1/edit", status=422, **fields_of(page))
    assert "Nicht gespeichert. die Pipeline wurde inzwischen geändert: <a href=" in page
    assert f'<a href="{browser.team}/pipelines/1/edit" target="_blank"' in page


async def test_a_mapping_with_long_value_lists_gets_through(browser, fake_services):
    typed = fields_of(await browser.get("/pipelines/1/edit"))
    typed |= {"f2.converter": "picklist", "f2.values": "\n".join(f"{n} = Größe {n}" for n in range(8000))}
    await browser.post("/pipelines/1/edit", **typed)
    [asked] = fake_services.requests(UPDATE_PIPELINE)
    assert len(asked.definition.fields[1].values) == 8000


async def test_the_largest_mapping_with_two_long_rules_gets_through(browser, fake_services, a_pipeline):
    rule = AllOf(all_of=tuple(a_comparison(number) for number in range(50)))
    more = tuple(FieldMapping(ameise=f"feld_{n}", zoho=f"Feld_{n}") for n in range(43))
    largest = DEFINITION.model_copy(
        update={"ameise_rule": rule, "zoho_rule": rule, "fields": (*DEFINITION.fields, *more)}
    )
    fake_services.answer(
        GET_PIPELINE, PipelineDetail(pipeline=a_pipeline(), version="v1", definition=largest)
    )
    typed = fields_of(await browser.get("/pipelines/1/edit"))
    assert len(typed) > 1000
    await browser.post("/pipelines/1/edit", **typed)
    [asked] = fake_services.requests(UPDATE_PIPELINE)
    assert asked.definition == largest


def a_comparison(number: int) -> Compare:
    return Compare(field="plz", compare=Comparison.BEGINS_WITH, value=str(number))


async def test_a_pipeline_is_made_from_a_template_switched_off(browser, fake_services, connections):
    ameise, zoho = connections
    assert "Kunde: Kunden ↔ Contacts" in await browser.get("/pipelines/new")
    ends = {"ameise_connection": ameise.id, "zoho_connection": zoho.id}
    page = await browser.post("/pipelines/new", template="0", name="", module="Leads", **ends)
    assert "noch ausgeschaltet" in page
    assert "Pipeline ändern: Kunden (natürlich)" in page
    [asked] = fake_services.requests(CREATE_PIPELINE)
    assert (asked.name, asked.module, asked.enabled) == ("Kunde", "Leads", False)
    assert asked.definition == DEFINITION


async def test_a_list_of_ameise_gets_a_pipeline_without_a_template(browser, fake_services, connections):
    ameise, zoho = connections
    await browser.get("/pipelines/new")
    typed = {"template": "list:sparte", "ameise_connection": ameise.id, "zoho_connection": zoho.id}
    page = await browser.post("/pipelines/new", status=422, **typed)
    for name in ("module", "unique_field"):
        assert "ohne Vorlage bitte angeben" in faults_at(page, name)
    await browser.post("/pipelines/new", **typed, module="Sparten", unique_field="Schluessel")
    [asked] = fake_services.requests(CREATE_PIPELINE)
    assert (asked.table, asked.module, asked.name) == (Table.SPARTE, "Sparten", "Sparten")
    [key] = asked.definition.fields
    assert (key.ameise, key.zoho, key.way) == ("key", "Schluessel", Way.TO_ZOHO)


@pytest.mark.parametrize(
    ("typed", "place", "words"),
    [
        ({"template": "9"}, "template", "bitte wählen"),
        ({"template": "list:kunde"}, "template", "bitte wählen"),
        ({"module": "a b"}, "module", "so heißt nichts"),
        ({"name": "N" * 81}, "name", "ist zu lang"),
        ({"zoho_connection": ""}, "zoho_connection", "bitte wählen"),
    ],
)
async def test_what_cannot_be_made_is_said_at_its_field(
    browser, fake_services, connections, typed, place, words
):
    ameise, zoho = connections
    await browser.get("/pipelines/new")
    right = {"template": "0", "ameise_connection": ameise.id, "zoho_connection": zoho.id}
    page = await browser.post("/pipelines/new", status=422, **(right | typed))
    assert words in faults_at(page, place)
    assert fake_services.requests(CREATE_PIPELINE) == []


async def test_what_was_typed_for_a_new_pipeline_is_not_lost_while_nobody_answers(
    browser, fake_services, connections
):
    ameise, zoho = connections
    typed = {"template": "0", "name": "Neu", "ameise_connection": ameise.id, "zoho_connection": zoho.id}
    await browser.get("/pipelines/new")
    for rpc in (CREATE_PIPELINE, LIST_CONNECTIONS, LIST_TEMPLATES):
        fake_services.answer(rpc, Unavailable("Der Dienst sync läuft gerade nicht."))
        page = await browser.post("/pipelines/new", status=503, **typed)
        assert "Der Dienst sync läuft gerade nicht." in page
        form = page[page.index('/new"') :]
        assert 'name="name" value="Neu"' in form
        selected = re.findall(r'<option value="([^"]*)" selected', form)
        assert selected == ["0", ameise.id, zoho.id]
    await browser.get("/pipelines/new", status=503)


async def test_what_sync_does_not_make_is_said_at_its_field(browser, fake_services, connections):
    ameise, zoho = connections
    typed = {"template": "0", "ameise_connection": ameise.id, "zoho_connection": zoho.id}
    await browser.get("/pipelines/new")
    fake_services.answer(CREATE_PIPELINE, Conflict("gibt es schon", remedy="bitte diese ändern"))
    page = await browser.post("/pipelines/new", status=422, **typed)
    assert "gibt es schon: bitte diese ändern" in faults_at(page, "module")
    fake_services.answer(CREATE_PIPELINE, NotConnected("die Verbindung „Produktion“ ist nicht aktiv"))
    page = await browser.post("/pipelines/new", status=422, **typed)
    assert "ist nicht aktiv" in faults_at(page, "ameise_connection")


async def test_a_pipeline_goes_only_once_its_name_was_typed_again(browser, fake_services):
    page = await browser.get("/pipelines/1/delete")
    assert "1.000 Verknüpfungen, 3 wartende und 2 geparkte" in page
    page = await browser.post("/pipelines/1/delete", status=422, confirmed="Kunden")
    assert "genau so noch einmal eingeben" in page
    assert fake_services.requests(DELETE_PIPELINE) == []
    fake_services.answer(
        DELETE_PIPELINE, Conflict("die Pipeline hat 1000 Verknüpfungen", remedy="bestätigen")
    )
    page = await browser.post("/pipelines/1/delete", status=422, confirmed="Kunden (natürlich)")
    assert "hat 1000 Verknüpfungen: bestätigen" in page
    fake_services.answer(DELETE_PIPELINE, PipelineGone(links=1000, works=5))
    await browser.post("/pipelines/1/delete", confirmed="Kunden (natürlich)", links_too="ja")
    assert [asked.links_too for asked in fake_services.requests(DELETE_PIPELINE)] == [False, True]


@pytest.mark.parametrize("form", ["new", "1/edit", "1/delete"])
async def test_every_form_needs_the_token_of_its_page(browser, fake_services, form):
    await browser.get(f"/pipelines/{form}")
    await browser.post(f"/pipelines/{form}", status=403, csrf="falsch", confirmed="Kunden (natürlich)")
    assert fake_services.asked == [] or {rpc for rpc, _, _ in fake_services.asked} <= {
        GET_PIPELINE.subject, PIPELINE_FIELDS.subject, LIST_TEMPLATES.subject, LIST_CONNECTIONS.subject,
    }  # fmt: skip
