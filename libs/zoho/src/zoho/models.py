"""What Zoho tells about an organisation, its modules and fields, and about each record of a write.

Records themselves stay plain dicts (``Record``) with field API names as keys: which fields there are is the
organisation's own choice. Their ids are always text: they exceed 2^53.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from vendor import Finding, VendorError, Verdict
from zoho.dates import parse_moment
from zoho.errors import finding_of

Record = dict[str, Any]
"""A record: field API name to JSON value; "id" is text; a lookup is {"id": ..., "name": ...}."""


class ZohoModel(BaseModel):
    """Base of all answers: unknown keys are kept, a number where text is expected becomes text."""

    model_config = ConfigDict(
        frozen=True,
        extra="allow",
        populate_by_name=True,
        coerce_numbers_to_str=True,
        # A validation error is never logged with the personal value that caused it.
        hide_input_in_errors=True,
    )


class LicenseDetails(ZohoModel):
    """The licence, from which the daily API credits follow."""

    paid_type: str | None = None
    users_license_purchased: int | None = None


class Org(ZohoModel):
    """The organisation; ``zgid`` is the number in the web address, ``type`` production or sandbox."""

    id: str
    zgid: str | None = None
    company_name: str | None = None
    domain_name: str | None = None
    type: str | None = None
    time_zone: str | None = None
    license_details: LicenseDetails | None = None


class User(ZohoModel):
    """A user; the id of the one in whose name the token works is that of Modified_By in our own writes."""

    id: str
    full_name: str | None = None
    email: str | None = Field(default=None, repr=False)
    time_zone: str | None = None


class Module(ZohoModel):
    """A kind of record. ``generated_type`` is default, custom, linking, subform or web."""

    api_name: str
    id: str | None = None
    module_name: str | None = None
    plural_label: str | None = None
    generated_type: str | None = None
    api_supported: bool | None = None
    creatable: bool | None = None
    editable: bool | None = None
    viewable: bool | None = None


class PickListValue(ZohoModel):
    """A value of a picklist; records carry the ``actual_value``."""

    actual_value: str | None = None
    display_value: str | None = None
    id: str | None = None


class ModuleRef(ZohoModel):
    """The name of a module where something points to it."""

    api_name: str | None = None
    id: str | None = None


class Lookup(ZohoModel):
    """Where a lookup field points to; Zoho sends {} for other fields."""

    module: ModuleRef | None = None
    display_label: str | None = None


class OperationType(ZohoModel):
    """Whether the API may give the field on insert and on update."""

    api_create: bool | None = None
    api_update: bool | None = None


class FieldMeta(ZohoModel):
    """A field of a module. Any key may be missing or null: json_type, length and decimal_place really are."""

    id: str | None = None
    api_name: str | None = None
    field_label: str | None = None
    display_label: str | None = None
    data_type: str | None = None
    json_type: str | None = None
    length: int | None = None
    decimal_place: int | None = None
    system_mandatory: bool | None = None
    custom_field: bool | None = None
    read_only: bool | None = None
    field_read_only: bool | None = None
    visible: bool | None = None
    webhook: bool | None = None
    operation_type: OperationType | None = None
    unique: Mapping[str, Any] | None = None
    external: Mapping[str, Any] | None = None
    pick_list_values: Sequence[PickListValue] | None = None
    lookup: Lookup | None = None

    @property
    def is_unique(self) -> bool:
        """Whether two records cannot share a value: ``unique`` is {} for other fields."""
        return bool(self.unique)


class LayoutField(ZohoModel):
    """A field as one layout has it."""

    api_name: str | None = None
    required: bool | None = None


class LayoutSection(ZohoModel):
    """A part of a layout."""

    fields: Sequence[LayoutField] = ()


class Layout(ZohoModel):
    """A form of a module. What must be filled in is said by layout, not by field."""

    id: str
    name: str | None = None
    status: str | None = None
    sections: Sequence[LayoutSection] = ()

    @property
    def required_fields(self) -> frozenset[str]:
        """The API names of the fields that must have a value."""
        return frozenset(
            field.api_name
            for section in self.sections
            for field in section.fields
            if field.required and field.api_name
        )


class DeletedRecord(ZohoModel):
    """A record that is gone; ``type`` is recycle (can be restored) or permanent."""

    id: str
    type: str | None = None
    deleted_time: str | None = None


class WebhookFailure(ZohoModel):
    """A call of a workflow webhook that did not arrive, and the record that it was about."""

    id: str | None = None
    failure_time: str | None = None
    failure_reason: str | None = None
    webhook: Mapping[str, Any] = Field(default_factory=dict[str, Any])
    entity_details: Mapping[str, Any] = Field(default_factory=dict[str, Any])

    @property
    def record_id(self) -> str:
        """The id of the record we were not told about, "" if Zoho does not say."""
        return str(self.entity_details.get("id") or "")


class RecordResult(ZohoModel):
    """What became of one record of a write."""

    code: str = ""
    status: str = ""
    message: str = Field(default="", repr=False)
    action: str | None = None
    duplicate_field: str | None = None
    details: Mapping[str, Any] = Field(default_factory=dict[str, Any], repr=False)

    @field_validator("details", mode="before")
    @classmethod
    def _null_is_empty(cls, value: object) -> object:
        return {} if value is None else value

    @property
    def succeeded(self) -> bool:
        """Whether this record was written."""
        return self.status == "success" and self.code == "SUCCESS"

    @property
    def finding(self) -> Finding:
        """The verdict on this record, by its own code and not by the HTTP status of the call."""
        return Finding(Verdict.OK) if self.succeeded else finding_of(400, self.model_dump())

    @property
    def id(self) -> str:
        """The record's id, "" if it was not written."""
        return str(self.details.get("id") or "") if self.succeeded else ""

    @property
    def modified_time(self) -> datetime | None:
        """When the record was written last, in UTC; also on ALREADY_MODIFIED. None if Zoho does not say."""
        text = self.details.get("Modified_Time")
        try:
            return parse_moment(str(text)) if text else None
        except ValueError:
            return None

    @property
    def author(self) -> str:
        """The id of the user who wrote the record last, "" if Zoho does not say."""
        by = self.details.get("Modified_By")
        return str(by.get("id") or "") if isinstance(by, Mapping) else ""  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]

    def error(self) -> VendorError | None:
        """Return why this record was not written as one of the kinds, None if it was.

        Zoho answered about this very record, so the outcome is known.
        """
        if self.succeeded:
            return None
        finding = self.finding
        code = finding.code or "an unknown result"
        return finding.error("zoho", f"zoho answered {code} for a record", status=None)
