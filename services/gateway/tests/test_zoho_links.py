"""Links to records in Zoho CRM."""

import pytest

from gateway.zoho_links import record_link


@pytest.mark.parametrize(
    ("api_url", "address"),
    [
        ("https://www.zohoapis.eu", "https://crm.zoho.eu/crm/org200/tab/Contacts/77001"),
        ("https://www.zohoapis.com.au/", "https://crm.zoho.com.au/crm/org200/tab/Contacts/77001"),
        ("https://www.zohoapis.ca", "https://crm.zohocloud.ca/crm/org200/tab/Contacts/77001"),
        ("https://sandbox.zohoapis.eu", "https://crmsandbox.zoho.eu/crm/org200/tab/Contacts/77001"),
        ("https://www.zohoapis.eu.example", None),
        ("javascript://www.zohoapis.eu", None),
        (None, None),
    ],
)
def test_the_address_follows_the_data_centre_and_nothing_else(a_connection, api_url, address):
    connection = a_connection(account="200", api_url=api_url)
    assert record_link(connection, "Contacts", "77001") == address


def test_a_module_of_ones_own_or_an_unknown_organisation_has_no_address(a_connection):
    connection = a_connection(api_url="https://www.zohoapis.eu")
    assert record_link(connection, "Vertraege", "77001") is None
    assert record_link(connection.model_copy(update={"account": None}), "Contacts", "77001") is None
    assert record_link(None, "Contacts", "77001") is None
