"""Client of the Zoho CRM API, version 8."""

from zoho.client import MAX_FIELDS, MAX_RECORDS, PAGE_SIZE, ZohoClient
from zoho.dates import format_moment, parse_moment
from zoho.models import (
    DeletedRecord,
    FieldMeta,
    LicenseDetails,
    Lookup,
    Module,
    Org,
    PickListValue,
    Record,
    RecordResult,
    User,
    WebhookFailure,
)
from zoho.webhooks import RuleEvent, Webhook, WorkflowRule

__all__ = [
    "MAX_FIELDS",
    "MAX_RECORDS",
    "PAGE_SIZE",
    "DeletedRecord",
    "FieldMeta",
    "LicenseDetails",
    "Lookup",
    "Module",
    "Org",
    "PickListValue",
    "Record",
    "RecordResult",
    "RuleEvent",
    "User",
    "Webhook",
    "WebhookFailure",
    "WorkflowRule",
    "ZohoClient",
    "format_moment",
    "parse_moment",
]
