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


async def test_those_who_left_own_nothing(zoho: Any) -> None:
    every = (await zoho.call("GET", "users")).json()["users"]
    active = (await zoho.call("GET", "users", params={"type": "ActiveUsers"})).json()["users"]
    [former] = [user for user in every if user not in active]
    assert former["status"] != "active"
    for user, code in ((active[-1], "SUCCESS"), (former, "INVALID_DATA")):
        body = {"data": [{"Last_Name": "Meins", "Owner": {"id": user["id"]}}]}
        [outcome] = (await zoho.call("POST", "Contacts", json=body)).json()["data"]
        assert outcome["code"] == code


async def test_a_layout_says_which_fields_must_be_filled_in(zoho: Any) -> None:
    [layout] = (await zoho.call("GET", "settings/layouts", params={"module": "Contacts"})).json()["layouts"]
    [section] = layout["sections"]
    required = [field["api_name"] for field in section["fields"] if field["required"]]
    assert required == ["Last_Name"]
    assert (await zoho.call("GET", "settings/layouts")).json()["code"] == "REQUIRED_PARAM_MISSING"


async def test_what_people_changed_about_a_module_holds_for_their_org_alone(
    zoho: Any, connect_zoho: Any
) -> None:
    other = await connect_zoho("other")
    customised = "/sandbox/zoho/demo/Contacts"
    change = {"fields": {"Titel": {"gone": True}, "Last_Name": {"length": 40}}}
    await zoho.http.put(customised, json=change)

    async def lengths(org: Any) -> dict[str, int | None]:
        answer = await org.call("GET", "settings/fields", params={"module": "Contacts"})
        return {field["api_name"]: field["length"] for field in answer.json()["fields"]}

    assert "Titel" not in await lengths(zoho)
    assert ((await lengths(zoho))["Last_Name"], (await lengths(other))["Last_Name"]) == (40, 80)
    await zoho.upsert("Contacts", {"Last_Name": "M", "Titel": "Dr.", "Kundennummer": "5000"})
    [record] = (await zoho.call("GET", "Contacts", params={"fields": "Last_Name,Titel"})).json()["data"]
    assert "Titel" not in record

    await zoho.http.put(customised, json={"gone": True})
    names = {m["api_name"] for m in (await zoho.call("GET", "settings/modules")).json()["modules"]}
    assert names == {"Accounts", "Vertraege"}
    assert (await zoho.call("GET", "Contacts")).json()["code"] == "INVALID_MODULE"
