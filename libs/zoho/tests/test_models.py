"""Tolerant reading of metadata, and results record by record."""

from datetime import UTC, datetime

import pytest

from vendor import Rejected, Stale, Unavailable, VendorError
from zoho import FieldMeta, RecordResult

OK = {"code": "SUCCESS", "status": "success", "message": "record added", "action": "insert"}


def test_every_key_of_a_field_may_be_missing() -> None:
    field = FieldMeta.model_validate({})
    assert field.api_name is None
    assert not field.is_unique


def test_json_type_and_length_may_be_null() -> None:
    field = FieldMeta.model_validate(
        {"api_name": "Email", "json_type": None, "length": None, "lookup": {}, "unique": {}, "external": None}
    )
    assert (field.json_type, field.length, field.is_unique) == (None, None, False)


@pytest.mark.parametrize("unique", [{"casesensitive": "false"}, {"case_sensitive": False}])
def test_a_field_is_unique_in_either_spelling(unique: dict[str, object]) -> None:
    assert FieldMeta.model_validate({"unique": unique}).is_unique


def test_a_written_record_tells_its_id_and_moment() -> None:
    details = {"id": 3652397000000624046, "Modified_Time": "2026-11-23T10:00:00+01:00"}
    result = RecordResult.model_validate({**OK, "details": details})
    assert result.succeeded
    assert result.error() is None
    assert result.id == "3652397000000624046"
    assert result.modified_time == datetime(2026, 11, 23, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("INVALID_DATA", Rejected),
        ("DUPLICATE_DATA", Rejected),
        ("RECORD_LOCKED", Unavailable),
        ("INTERNAL_ERROR", Unavailable),
        ("ALREADY_MODIFIED", Stale),
        ("", Rejected),
    ],
)
def test_a_record_that_was_not_written_says_why(code: str, kind: type[VendorError]) -> None:
    result = RecordResult.model_validate({"code": code, "status": "error", "details": None})
    error = result.error()
    assert type(error) is kind
    assert result.id == ""


def test_the_outcome_for_a_judged_record_is_known() -> None:
    error = RecordResult.model_validate({"code": "RECORD_LOCKED", "status": "error"}).error()
    assert isinstance(error, Unavailable)
    assert not error.outcome_unknown


def test_success_without_its_code_is_no_success() -> None:
    assert not RecordResult.model_validate({"status": "success"}).succeeded
