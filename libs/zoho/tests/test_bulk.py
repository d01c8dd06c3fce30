"""Bulk writes: against the stand-in, and what other answers mean."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import httpx
import jsonschema_rs
import pytest

from vendor import Answer
from vendor.errors import Rejected, Unavailable
from vendor.verdicts import Verdict
from zoho import ZohoClient
from zoho.bulk import (
    BulkClient,
    BulkJob,
    JobResult,
    assess_upload,
    content_url_of,
    results_in,
    table_of,
    zipped,
)

BulkPlayedBy = Callable[[Callable[[httpx.Request], httpx.Response]], BulkClient]
PUBLISHED = Path(__file__).parents[4] / "shared" / "zoho-oas" / "bulk-write.json"


async def test_rows_are_updated_or_skipped_one_by_one(
    sandbox: str, http: httpx.AsyncClient, zoho: ZohoClient
) -> None:
    made = await zoho.insert("Contacts", [{"Last_Name": "A", "Titel": "Dr."}, {"Last_Name": "B"}])
    [first, second] = [result.id for result in made]
    org = await zoho.get_org()
    token = zoho._transport._token  # pyright: ignore[reportPrivateUsage]
    bulk = BulkClient(f"{sandbox}/zoho", token, http)
    rows = [
        {"id": first, "Beruf": 'Ärztin; "Chirurgin"'},
        {"id": second, "Email": "keine Adresse"},
        {"id": "99", "Beruf": "niemand"},
    ]
    columns = ["id", "Beruf", "Email"]
    file_id = await bulk.upload(org.zgid or "", "rows.csv", table_of(columns, rows))
    created = await bulk.start_update("Contacts", file_id, "rows.csv", columns)
    assert created.created_by.id == (await zoho.get_current_user()).id
    while not (job := await bulk.get_job(created.id)).is_over:
        pass
    results = await bulk.get_results(job)
    assert {id_: result.status for id_, result in results.items()} == {
        first: "UPDATED", second: "SKIPPED", "99": "SKIPPED",
    }  # fmt: skip
    assert results[second].errors == "INVALID_DATA:invalid data"
    record = await zoho.get_record("Contacts", first)
    assert record is not None
    # What the file leaves empty stays as it is.
    assert (record["Beruf"], record["Titel"]) == ('Ärztin; "Chirurgin"', "Dr.")


async def test_a_wrong_org_is_refused_in_an_other_shape(
    sandbox: str, http: httpx.AsyncClient, zoho: ZohoClient
) -> None:
    await zoho.get_org()  # exchanges the first token, which is refused
    bulk = BulkClient(f"{sandbox}/zoho", zoho._transport._token, http)  # pyright: ignore[reportPrivateUsage]
    with pytest.raises(Rejected) as refused:
        await bulk.upload("1", "rows.csv", b"id\n1\n")
    assert (refused.value.code, refused.value.words) == ("INVALID_ORG", "Invalid org")


@pytest.mark.parametrize(
    "body",
    [
        {"ERROR_MESSAGE": "no", "ERROR_CODE": "INVALID", "x-error": "x"},
        {"info": "Forbidden", "x-info": "Link not valid"},
        {"status": "error", "code": "INVALID_FILE_FORMAT", "message": "no"},
    ],
)
def test_an_upload_is_refused_whatever_the_status_says(body: dict[str, str]) -> None:
    assert assess_upload(Answer(200, json.dumps(body).encode())).verdict is Verdict.REJECTED


@pytest.mark.parametrize(
    ("api", "content"),
    [
        ("https://www.zohoapis.eu", "https://content.zohoapis.eu"),
        ("https://sandbox.zohoapis.eu", "https://content.zohoapis.eu"),
        ("http://127.0.0.1:8090/zoho", "http://127.0.0.1:8090/zoho"),
    ],
)
def test_files_go_to_the_content_host_of_the_data_centre(api: str, content: str) -> None:
    assert content_url_of(api) == content


async def test_the_token_travels_to_no_host_that_is_not_zohos(
    bulk_played_by: BulkPlayedBy,
) -> None:
    asked: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.host)
        return httpx.Response(200, content=zipped("r.csv", b"STATUS,RECORD_ID,ERRORS\nUPDATED,1,\n"))

    bulk = bulk_played_by(handler)
    for host in ("evil.example", "zoho.evil.com", "download.zoho.com.evil.example"):
        job = BulkJob(status="COMPLETED", result=JobResult(download_url=f"https://{host}/x.zip"))
        with pytest.raises(Rejected):
            await bulk.get_results(job)
    assert asked == []
    job = BulkJob(status="COMPLETED", result=JobResult(download_url="https://download.zohocrm.com/x.zip?a=1"))
    assert set(await bulk.get_results(job)) == {"1"}


async def test_a_result_that_is_none_is_unavailable(
    bulk_played_by: BulkPlayedBy,
) -> None:
    bulk = bulk_played_by(lambda _: httpx.Response(200, text="<html>"))
    job = BulkJob(status="COMPLETED", result=JobResult(download_url="/r.zip"))
    with pytest.raises(Unavailable):
        await bulk.get_results(job)


def test_a_result_that_unpacks_to_something_else_is_refused() -> None:
    with pytest.raises(zipfile.BadZipFile):
        results_in(b"no")
    with pytest.raises(KeyError):
        results_in(zipped("r.csv", b"A,B\n1,2\n"))


@pytest.mark.skipif(not PUBLISHED.exists(), reason=f"no copy of Zoho's OpenAPI file at {PUBLISHED}")
async def test_the_job_is_what_zohos_file_says(bulk_played_by: BulkPlayedBy) -> None:
    sent: list[object] = []

    def handler(request: httpx.Request) -> httpx.Response:
        sent.append(json.loads(request.content))
        return httpx.Response(201, json={"details": {"id": "7"}})

    bulk = bulk_played_by(handler)
    await bulk.start_update("Vertraege", "55", "rows.csv", ["id", "Name"])
    whole = json.loads(PUBLISHED.read_text())
    schema = whole["paths"]["/write"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    rooted = {**schema, "components": whole["components"]}
    errors = list(jsonschema_rs.Draft202012Validator(rooted).iter_errors(sent[0]))
    assert not errors, [f"{list(error.instance_path)}: {error.message}" for error in errors]
