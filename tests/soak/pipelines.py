"""The pipelines of an example: what an admin decided about them."""

from redefining import Admin, policy_of_fields, redefine, vertraege_both_ways

POLICIES = {"titel": "zoho", "ort": "ask"}
"""Of all other fields it is Ameise's value that wins."""


async def define(admin: Admin) -> None:
    """Verträge go both ways; each of the policies is played, by another field; the record of a Kunde who is
    gone for a day is deleted."""
    await vertraege_both_ways(admin)
    for module in ("Contacts", "Accounts"):
        await policy_of_fields(admin, module, **POLICIES)
        await redefine(admin, module, deletion={"after_days": 1})
