"""What calls cost, by Zoho's published table."""

import pytest

from vendor import Call
from zoho.costs import credits_of, is_complex


def write(records: int) -> Call:
    return Call("PUT", "/Contacts", body={"data": [{}] * records}, write=True)


@pytest.mark.parametrize(
    ("call", "cost"),
    [
        (Call("GET", "/Contacts/1"), 1),
        (Call("GET", "/Contacts", params={"ids": "1,2", "fields": "id"}), 1),
        (Call("GET", "/Contacts/deleted"), 2),
        (Call("POST", "/coql", body={"select_query": "select id from A order by id limit 200"}), 1),
        (Call("POST", "/coql", body={"select_query": "select id from A limit 1000"}), 2),
        (Call("POST", "/coql", body={"select_query": "select id from A"}), 3),
        (write(1), 1),
        (write(10), 1),
        (write(11), 2),
        (write(100), 10),
        (Call("DELETE", "/Contacts", params={"ids": "1,2", "wf_trigger": "false"}, write=True), 1),
        (Call("DELETE", "/Contacts", params={"ids": ",".join("1" * 11)}, write=True), 2),
        (Call("POST", "/bulk/v8/write", body={}, write=True), 500),
        (Call("GET", "/bulk/v8/write/1"), 1),
        (Call("POST", "/bulk/v8/read", body={}, write=True), 50),
        (Call("POST", "/upload", write=True, file=("a.zip", b"")), 0),
    ],
)
def test_a_call_costs_what_zoho_says(call: Call, cost: int) -> None:
    assert credits_of(call) == cost


@pytest.mark.parametrize(
    ("call", "complex_"),
    [
        (Call("GET", "/Contacts", params={"ids": "1", "fields": "id"}), False),
        (Call("GET", "/Contacts", params={"sort_by": "id"}), True),
        (Call("POST", "/coql", body={}), True),
        (write(10), False),
        (write(11), True),
    ],
)
def test_ten_complex_calls_at_a_time_are_sorted_reads_coql_and_larger_writes(
    call: Call, complex_: bool
) -> None:
    assert is_complex(call) is complex_
