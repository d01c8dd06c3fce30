"""The client and odd answers."""

import json
from collections.abc import Awaitable, Callable

import httpx
import pytest

from ameise import AmeiseClient, Kontaktdatum, Liste
from vendor import NotConnected, Rejected, Unavailable, VendorError

Played = Callable[..., AmeiseClient]
PAGE = "<html><body><h1>Anmeldung</h1></body></html>"
KUNDE = {"Person": {"Nachname": "Müller"}}


def always(status: int, **answer: object) -> Callable[[httpx.Request], httpx.Response]:
    return lambda _: httpx.Response(status, **answer)  # pyright: ignore[reportArgumentType]


async def test_a_new_kunde_is_known_by_id_and_benutzername(ameise_played_by: Played) -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"Id": 5001234567, "Benutzername": "anna.mueller"})

    created = await ameise_played_by(handler).create_kunde(
        KUNDE, mitteilung_passwort_link=True, mitteilung_erstinfo_unterbinden=False
    )

    assert (created.id, created.benutzername) == ("5001234567", "anna.mueller")
    assert seen[0].url.path == "/rest/DEMO01_1/kunden"
    assert dict(seen[0].url.params) == {
        "mitteilung-passwort-link": "1",
        "mitteilung-erstinfo-unterbinden": "0",
    }
    assert json.loads(seen[0].content) == KUNDE


async def test_search_by_mail_keeps_the_address_out_of_the_url(ameise_played_by: Played) -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=[{"Id": "1"}, {"Id": "2"}])

    found = await ameise_played_by(handler).search_kunden_by_mail("anna@example.org")

    assert [kunde.id for kunde in found] == ["1", "2"]
    assert "anna" not in str(seen[0].url)
    assert json.loads(seen[0].content) == {"mail": "anna@example.org"}


@pytest.mark.parametrize("body", ['{"Treffer": []}', PAGE, "", "null", '[{"Text": "ohne Id"}]'])
async def test_a_search_that_cannot_be_read_is_never_nothing_found(
    ameise_played_by: Played, body: str
) -> None:
    with pytest.raises(Unavailable) as caught:
        await ameise_played_by(always(200, text=body)).search_kunden_by_mail("anna@example.org")
    assert not caught.value.outcome_unknown


@pytest.mark.parametrize("body", [PAGE, "", "[]", "{}", '{"Id"'])
async def test_a_creation_whose_answer_cannot_be_read_may_have_happened(
    ameise_played_by: Played, body: str
) -> None:
    with pytest.raises(Unavailable) as caught:
        await ameise_played_by(always(200, text=body)).create_kunde(KUNDE)
    assert caught.value.outcome_unknown


async def test_a_time_out_after_a_creation_leaves_its_outcome_unknown(ameise_played_by: Played) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("late", request=request)

    with pytest.raises(Unavailable) as caught:
        await ameise_played_by(handler).create_vertrag({"Kunde": "5001"})
    assert caught.value.outcome_unknown


@pytest.mark.parametrize("body", ["", "null", "{}", '"ok"'])
async def test_an_update_needs_no_particular_answer(ameise_played_by: Played, body: str) -> None:
    await ameise_played_by(always(200, text=body)).update_kunde("5001", KUNDE)


async def test_a_page_in_place_of_an_answer_is_no_success(ameise_played_by: Played) -> None:
    with pytest.raises(Unavailable) as caught:
        await ameise_played_by(always(200, html=PAGE)).update_kunde("5001", KUNDE)
    assert caught.value.words == "Anmeldung"
    assert caught.value.outcome_unknown


@pytest.mark.parametrize(
    ("answer", "new_id"), [({"json": {"Id": 7}}, "7"), ({}, None), ({"json": {"ok": True}}, None)]
)
async def test_a_new_part_is_known_by_its_id_if_ameise_names_one(
    ameise_played_by: Played, answer: dict[str, object], new_id: str | None
) -> None:
    kontakt = Kontaktdatum(typ="email", value="anna@example.org")
    assert await ameise_played_by(always(200, **answer)).create_kontaktdatum("5001", kontakt) == new_id


async def test_the_words_of_a_rejection_are_for_people_and_not_for_logs(ameise_played_by: Played) -> None:
    meldungen = {"Meldungen": [{"Text": "Müller ist schon da."}]}
    with pytest.raises(Rejected) as caught:
        await ameise_played_by(always(400, json=meldungen)).create_kunde(KUNDE)
    assert caught.value.words == "Müller ist schon da."
    assert str(caught.value) == "ameise answered 400 to POST /DEMO01_1/kunden"


async def test_401_twice_means_not_connected(ameise_played_by: Played) -> None:
    with pytest.raises(NotConnected):
        await ameise_played_by(always(401, html=PAGE)).get_mitarbeiter()


async def test_an_unexpected_shape_names_the_field_and_not_the_value(ameise_played_by: Played) -> None:
    with pytest.raises(Unavailable) as caught:
        await ameise_played_by(always(200, json={"Id": "1", "Person": "Anna Müller"})).get_kunde("1")
    assert caught.value.words == "Unexpected: Person"
    assert caught.value.__context__ is None


async def test_the_path_of_a_list_is_configurable(ameise_played_by: Played) -> None:
    paths: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.path)
        return httpx.Response(200, json=[{"Value": "DE", "Text": "Deutschland"}])

    client = ameise_played_by(handler, list_paths={Liste.LAENDER: "listen/laender"})
    await client.list_entries(Liste.LAENDER)
    await client.list_entries(Liste.SPARTEN)
    assert paths == ["/rest/listen/laender", "/rest/sparten"]


@pytest.mark.parametrize(
    "ask",
    [
        lambda ameise: ameise.get_kunde("../lizenzen"),
        lambda ameise: ameise.get_vermittler("a/b"),
        lambda ameise: ameise.delete_adresse("1", ".."),
    ],
)
async def test_an_id_that_asks_for_something_else_is_never_sent(
    ameise_played_by: Played, ask: Callable[[AmeiseClient], Awaitable[object]]
) -> None:
    with pytest.raises(ValueError, match="URL path"):
        await ask(ameise_played_by(always(200)))


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503])
async def test_every_refusal_is_one_of_the_kinds(ameise_played_by: Played, status: int) -> None:
    with pytest.raises(VendorError) as caught:
        await ameise_played_by(always(status, html=PAGE)).get_kunde("5001")
    assert caught.value.status == status
    assert caught.value.words == "Anmeldung"
