"""What an org is made of."""

from typing import Any


async def test_fields_tell_type_length_uniqueness_and_choices(zoho: Any) -> None:
    answer = await zoho.call("GET", "settings/fields", params={"module": "Contacts"})

    fields = {field["api_name"]: field for field in answer.json()["fields"]}
    assert fields["Last_Name"]["system_mandatory"] is True
    assert (fields["Last_Name"]["data_type"], fields["Last_Name"]["length"]) == ("text", 80)
    assert fields["Kundennummer"]["unique"] == {"case_sensitive": False}
    assert fields["Account_Name"]["lookup"]["module"]["api_name"] == "Accounts"
    values = [value["actual_value"] for value in fields["Salutation"]["pick_list_values"]]
    assert values == ["-None-", "Herr", "Frau", "Divers"]
    assert fields["Modified_Time"]["read_only"] is True


async def test_fields_need_a_module(zoho: Any) -> None:
    assert (await zoho.call("GET", "settings/fields")).json()["code"] == "REQUIRED_PARAM_MISSING"


async def test_org_user_and_modules(zoho: Any) -> None:
    org = (await zoho.call("GET", "org")).json()["org"][0]
    users = (await zoho.call("GET", "users", params={"type": "CurrentUser"})).json()["users"]
    modules = (await zoho.call("GET", "settings/modules")).json()["modules"]

    assert org["zgid"].isdigit()
    assert len(users) == 1
    assert {module["api_name"]: module["generated_type"] for module in modules} == {
        "Contacts": "default",
        "Accounts": "default",
        "Vertraege": "custom",
    }
