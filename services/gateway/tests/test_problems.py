"""What a person sees of an error."""

import pytest
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from contracts.problems import Conflict
from contracts.rpc.auth import FINISH_CONNECTION


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/gibt-es-nicht", 404, "Unter dieser Adresse gibt es nichts: GET /gibt-es-nicht"),
        ("/teams/team-eins/dailyup", 405, "Hierher führt nur das Formular einer Seite"),
        ("/oauth/callback", 422, "query.state: fehlt"),
    ],
)
async def test_what_is_asked_for_wrongly_is_told_in_german(browser_of_a_team, path, status, words):
    browser = await browser_of_a_team()
    answer = await browser.client.get(path)
    assert answer.status_code == status
    assert words in answer.text
    assert 'href="/teams">Zu den Teams' in answer.text


async def test_a_problem_of_a_team_leads_back_to_its_overview(browser_of_a_team):
    browser = await browser_of_a_team()
    assert f'href="{browser.team}">Zur Übersicht des Teams' in await browser.get("/format", status=503)


async def test_what_the_door_refuses_is_a_page_that_leads_back(browser_of_a_team, fake_services):
    browser = await browser_of_a_team()
    sample = {"sample": ("kunden.csv", bytes(600_000))}
    path = f"{browser.team}/format/try"
    ours = str(browser.client.base_url).rstrip("/")
    for page in ("/format", "/format/try", "/kunden?nummer=%22%3Cb%3E"):
        referer = f"{ours}{browser.team}{page}"
        answer = await browser.client.post(path, files=sample, headers={"Referer": referer})
        assert answer.status_code == 413
        assert answer.headers["content-type"].startswith("text/html")
        assert "Höchstens 524.288 Bytes sind erlaubt." in answer.text
        assert f'<a href="{browser.team}{page}">Zurück' in answer.text
    for referer in ("https://other.example/teams", f"{ours}//other.example/x", "http://[", ""):
        answer = await browser.client.post(path, files=sample, headers={"Referer": referer})
        assert (answer.status_code, "Zurück zur Seite" in answer.text) == (413, False)
    tried = await browser.client.get(path, follow_redirects=False)
    assert (tried.status_code, tried.headers["location"]) == (303, f"{browser.team}/format")
    program = await browser.client.post(path, files=sample, headers={"Accept": "*/*"})
    assert program.headers["content-type"] == "application/problem+json"


async def test_a_person_is_told_on_a_page_that_he_asks_too_often(start_gateway):
    gateway = await start_gateway(address_burst=1, address_requests_per_second=1)
    client = await gateway.client(headers={"Accept": "text/html"})
    answers = [await client.get("/login") for _ in range(3)]
    assert [answer.status_code for answer in answers][-1] == 429
    assert "Zu viele Anfragen von dieser Adresse." in answers[-1].text
    assert answers[-1].headers["content-type"].startswith("text/html")


async def test_a_refused_consent_leads_back_to_the_team_that_asked_for_it(
    browser_of_a_team, fake_services, fake_auth
):
    fake_services.answer(FINISH_CONNECTION, Conflict("Zoho CRM ist nicht verbunden."))
    browser = await browser_of_a_team()
    await browser.get("/kunden")
    await browser.post("/connections", system="zoho")
    answer = await browser.client.get("/oauth/callback", params={"state": fake_auth.states[0], "code": "c"})
    assert answer.status_code == 409
    assert "Zoho CRM ist nicht verbunden." in answer.text
    assert f'href="{browser.team}">Zur Übersicht des Teams' in answer.text


async def test_a_fault_of_ours_stands_in_the_log_under_the_number_that_the_page_tells(
    browser_of_a_team, monkeypatch
):
    async def broken(*_):
        raise RuntimeError("kaputt")

    browser = await browser_of_a_team()
    monkeypatch.setattr("gateway.tenants.listed", broken)
    with capture_logs(processors=[merge_contextvars]) as logged:
        answer = await browser.client.get("/teams")
    assert answer.status_code == 500
    [line] = [line for line in logged if line["event"] == "request.failed"]
    assert str(line["exc_info"]) == "kaputt"
    assert line["correlationid"] in answer.text
