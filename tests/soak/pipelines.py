"""The pipelines of an example: what an admin decided about them."""

from typing import Any

from redefining import Admin, definition_of, policy_of_fields, redefine, vertraege_both_ways

POLICIES = {"titel": "zoho", "ort": "ask"}
"""Of all other fields it is Ameise's value that wins."""
PLZ_IN_ZOHO = {"Contacts": "Mailing_Zip", "Accounts": "Billing_Code"}
LEFT_OUT_PLZ, RECORD_LEFT_OUT_PLZ = "99999", "00000"
"""In Ameise: the rule leaves the Kunde out; in Zoho: it leaves his record out."""
MARKS = {"Contacts": "Fax", "Vertraege": "Zahlweise"}
"""Fields of Zoho, mapped no more, that say that the object is gone."""
GONE, LIVING = "entfallen", "da"


async def define(admin: Admin) -> None:
    """Verträge go both ways; each of the policies is played, by another field; rules on both sides leave out
    a Kunde or a record; what is gone is marked, and the record of a Kunde gone for a day is deleted."""
    await vertraege_both_ways(admin)
    for module, mark in MARKS.items():
        fields = [m.model_dump(mode="json") for m in (await definition_of(admin, module)).fields]
        marked = {"field": mark, "gone": GONE, "living": LIVING}
        await redefine(admin, module, fields=[m for m in fields if m["zoho"] != mark], vanished=marked)
    for module, plz in PLZ_IN_ZOHO.items():
        await policy_of_fields(admin, module, **POLICIES)
        await redefine(
            admin, module, deletion={"after_days": 1},
            ameise_rule=_differs("plz", LEFT_OUT_PLZ), zoho_rule=_differs(plz, RECORD_LEFT_OUT_PLZ),
        )  # fmt: skip


def _differs(field: str, value: str) -> dict[str, Any]:
    return {"field": field, "compare": "not_equals", "value": value}
