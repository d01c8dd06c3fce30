"""From a finding to the error that a caller acts on."""

import pytest

from vendor import Finding, NotConnected, Rejected, Stale, Unavailable, VendorError, Verdict


@pytest.mark.parametrize(
    ("verdict", "kind"),
    [
        (Verdict.UNAVAILABLE, Unavailable),
        (Verdict.STALE, Stale),
        (Verdict.REJECTED, Rejected),
        (Verdict.TOKEN_REFUSED, NotConnected),
    ],
)
def test_each_verdict_is_one_kind_of_error(verdict: Verdict, kind: type[VendorError]) -> None:
    error = Finding(verdict, code="C", words="w").error("zoho", "message", status=400)
    assert type(error) is kind
    assert (error.system, error.status, error.code, error.words) == ("zoho", 400, "C", "w")


def test_a_finding_in_order_is_no_error() -> None:
    with pytest.raises(ValueError, match="in order"):
        Finding(Verdict.OK).error("zoho", "message", status=200)


def test_a_rejection_says_where_the_fault_is() -> None:
    finding = Finding(
        Verdict.REJECTED,
        json_path="$.data[0].Email",
        api_name="Email",
        duplicate_id="77",
        duplicate_module="Contacts",
    )
    error = finding.error("zoho", "message", status=400)
    assert isinstance(error, Rejected)
    assert (error.json_path, error.api_name) == ("$.data[0].Email", "Email")
    assert (error.duplicate_id, error.duplicate_module) == ("77", "Contacts")


def test_the_words_of_the_outside_system_are_in_no_text_of_an_error() -> None:
    finding = Finding(Verdict.REJECTED, words="anna@example.org gibt es schon")
    error = finding.error("ameise", "ameise answered 400", status=400)
    assert "anna" not in f"{error} {error!r} {error.args} {finding!r}"
