"""The fields that a person chooses from, and as what their values are compared. Pure."""

from collections.abc import Mapping

from contracts.rpc.ingest_format import ColumnType, TableView
from contracts.rpc.pipeline_definition import ValueType
from contracts.rpc.sync_pipelines import KnownField
from zoho.models import FieldMeta

_COLUMNS = {
    ColumnType.TEXT: ValueType.TEXT,
    ColumnType.DATE: ValueType.DATE,
    ColumnType.TIMESTAMP: ValueType.DATE,
    ColumnType.DECIMAL: ValueType.NUMBER,
    ColumnType.BOOLEAN: ValueType.BOOLEAN,
}
_JOINED = {
    "juristische_person": ValueType.BOOLEAN,
    "email": ValueType.EMAIL,
    "telefon": ValueType.PHONE,
    "mobil": ValueType.PHONE,
    "fax": ValueType.PHONE,
}
"""Fields that are no column of the table itself."""
_SEVERAL_IN_AMEISE = frozenset({"details", "kommunikationen"})
"""No values that could be compared: each is several."""
_SEVERAL_IN_ZOHO = frozenset({"jsonarray", "jsonobject"})
_BY_ID = frozenset({"lookup", "ownerlookup", "userlookup"})
"""Of these not the shown name is compared, but the id of what they point to."""
_ZOHO = {
    "integer": ValueType.NUMBER,
    "bigint": ValueType.NUMBER,
    "double": ValueType.NUMBER,
    "currency": ValueType.NUMBER,
    "percent": ValueType.NUMBER,
    "date": ValueType.DATE,
    "datetime": ValueType.DATE,
    "boolean": ValueType.BOOLEAN,
    "phone": ValueType.PHONE,
    "email": ValueType.EMAIL,
}


def in_ameise(view: TableView) -> tuple[KnownField, ...]:
    """Of the objects of a table, in the order of their format."""
    columns = {column.name: _COLUMNS[column.type] for column in view.columns}
    types = _JOINED | columns
    return tuple(
        KnownField(name=name, type=types.get(name, ValueType.TEXT))
        for name in view.fields
        if name not in _SEVERAL_IN_AMEISE
    )


def in_zoho(fields: Mapping[str, FieldMeta]) -> tuple[KnownField, ...]:
    """Of a module, by the labels that its users see."""
    known = (
        KnownField(
            name=name,
            label=_label(field),
            type=_ZOHO.get(field.data_type or "", ValueType.TEXT),
        )
        for name, field in fields.items()
        if field.data_type in _BY_ID or field.json_type not in _SEVERAL_IN_ZOHO
    )
    return tuple(sorted(known, key=lambda field: (field.label or field.name).casefold()))


def _label(field: FieldMeta) -> str | None:
    label = field.display_label or field.field_label
    return f"{label or field.api_name} (Id)" if field.data_type in _BY_ID else label
