"""The page on which the values of a mapped picklist are chosen, with what sync suggests."""

import re

import pytest

from contracts.ids import PipelineId
from contracts.names import Table
from contracts.problems import Conflict, Invalid, Unavailable
from contracts.rpc.pipeline_definition import Converter, FieldMapping, PipelineDefinition, Way
from contracts.rpc.sync_pipelines import GET_PIPELINE, UPDATE_PIPELINE, PipelineDetail
from contracts.rpc.sync_values import SUGGEST_VALUES, ListEntry, SuggestedValues
from gateway.values_page import lines_of, options_of

ANREDE = FieldMapping(
    ameise="anrede_id", zoho="Salutation", converter=Converter.PICKLIST, values={"1": "Herr", "9": "Alt"}
)
KEY = FieldMapping(ameise="ameise_id", zoho="Kundennummer", way=Way.TO_ZOHO)
DEFINITION = PipelineDefinition(unique_field="Kundennummer", fields=(KEY, ANREDE))
SUGGESTED = SuggestedValues(
    table=Table.ANREDE, values={"1": "Herr", "2": "Frau"}, texts={"1": "Herr <Dr.>", "2": "Frau"},
    unmatched=(ListEntry(value="3", text="Firma <GmbH>"),), unused=("Divers", "Ohne"),
)  # fmt: skip
PLACE = "/pipelines/1/values/anrede_id"


@pytest.fixture
async def browser(fake_services, browser_of_a_team, a_pipeline):
    detail = PipelineDetail(pipeline=a_pipeline(), version="v1", definition=DEFINITION)
    fake_services.answer(GET_PIPELINE, detail)
    fake_services.answer(UPDATE_PIPELINE, detail)
    fake_services.answer(SUGGEST_VALUES, SUGGESTED)
    return await browser_of_a_team()


def test_what_waits_for_a_person_comes_first_then_what_is_new():
    lines = lines_of(ANREDE, SUGGESTED)
    assert [(line.entry, line.chosen, line.is_new) for line in lines] == [
        ("3", "", False), ("2", "Frau", True), ("1", "Herr", False),
    ]  # fmt: skip
    assert options_of(SUGGESTED) == ("Divers", "Ohne", "Herr", "Frau")


async def test_users_are_shown_by_name_and_chosen_by_id(browser, fake_services):
    users = {"77": "Viktor <viktor@example.org>", "78": "Paula <paula@example.org>"}
    suggested = SuggestedValues(table=Table.VERMITTLER, values={"1": "77"}, unused=("78",), names=users)
    fake_services.answer(SUGGEST_VALUES, suggested)
    page = await browser.get(PLACE)
    assert '<option value="77" selected>Viktor &lt;viktor@example.org&gt;</option>' in page
    assert 'Paula &lt;paula@example.org&gt; (<span class="code">78</span>)' in page


async def test_it_shows_what_is_suggested_open_and_lost(browser, fake_services):
    page = await browser.get(PLACE)
    for words in (
        "Firma &lt;GmbH&gt;",
        '<span class="code">1</span> Herr &lt;Dr.&gt;',
        "offen",
        "vorgeschlagen",
        "Divers, Ohne",
        "9 = Alt",
    ):
        assert words in page
    assert page.count("<option selected>") == 2
    [asked] = fake_services.requests(SUGGEST_VALUES)
    assert (asked.pipeline, asked.field) == (PipelineId("1"), "anrede_id")
    assert f'{PLACE}"' in await browser.get("/pipelines/1/edit")


async def test_what_is_chosen_becomes_the_values_of_the_field_and_of_no_other(browser, fake_services):
    await browser.get(PLACE)
    chosen = {"value.1": "Herr", "value.2": "Frau", "value.3": "Divers", "value.4": "", "version": "v1"}
    page = await browser.post(PLACE, **chosen)
    assert "Die Werte von anrede_id sind gespeichert" in page
    [told] = fake_services.requests(UPDATE_PIPELINE)
    key, anrede = told.definition.fields
    assert (key, told.version) == (KEY, "v1")
    assert anrede == ANREDE.model_copy(update={"values": {"1": "Herr", "2": "Frau", "3": "Divers"}})


async def test_what_hinders_is_said_on_the_page(browser, fake_services):
    await browser.get(PLACE)
    fake_services.answer(UPDATE_PIPELINE, Conflict("<b> geändert", remedy="bitte neu laden"))
    page = await browser.post(PLACE, status=422, version="v0", **{"value.1": "Herr"})
    assert f'&lt;b&gt; geändert: <a href="{browser.team}{PLACE}" target="_blank"' in page
    fake_services.answer(SUGGEST_VALUES, Invalid("kommt aus keiner Liste"))
    page = await browser.get(PLACE, status=422)
    assert "kommt aus keiner Liste" in page
    assert "Werte speichern" not in page
    await browser.get("/pipelines/1/values/unbekannt", status=404)


async def test_what_was_chosen_stays_chosen_while_it_cannot_be_stored(browser, fake_services):
    await browser.get(PLACE)
    fake_services.answer(UPDATE_PIPELINE, Unavailable("Der Dienst sync antwortet nicht."))
    page = await browser.post(PLACE, status=422, version="v1", **{"value.3": "Ohne", "value.1": ""})
    assert "Der Dienst sync antwortet nicht." in page
    assert re.findall(r'name="value\.(\d)">.*?<option selected>(\w+)<', page, re.DOTALL)[0] == ("3", "Ohne")
    one = page[page.index('name="value.1"') :].partition("</select>")[0]
    assert "selected" not in one


async def test_what_was_chosen_stays_chosen_while_sync_is_silent(browser, fake_services):
    await browser.get(PLACE)
    away = Unavailable("Der Dienst sync läuft gerade nicht.", remedy="Gleich noch einmal versuchen.")
    fake_services.answer(UPDATE_PIPELINE, away)
    chosen = {"value.3": "Ohne <x>", "value.1": ""}
    for rpc in (SUGGEST_VALUES, GET_PIPELINE):
        fake_services.answer(rpc, away)
        page = await browser.post(PLACE, status=422, version="v1", **chosen)
        assert "Der Dienst sync läuft gerade nicht. Gleich noch einmal versuchen." in page
        assert re.findall(r'name="value\.(\d)">.*?<option selected>(.+?)<', page, re.DOTALL) == [
            ("3", "Ohne &lt;x&gt;")
        ]
        assert 'name="value.1"' in page
        assert 'name="version" value="v1"' in page


async def test_a_long_list_is_stored_whole(browser, fake_services):
    await browser.get(PLACE)
    chosen = {f"value.{n}": f"Ein langer Wert mit der Nummer {n}" for n in range(3000)}
    await browser.post(PLACE, version="v1", **chosen)
    [told] = fake_services.requests(UPDATE_PIPELINE)
    assert len(told.definition.fields[1].values) == 3000
