"""The fields that a person chooses from."""

from contracts.names import Table
from contracts.rpc.ingest_format import ColumnType, ColumnView, TableView
from contracts.rpc.pipeline_definition import ValueType
from contracts.rpc.sync_pipelines import KnownField
from sync.known_fields import in_ameise, in_zoho
from zoho.models import FieldMeta


def column(name: str, type_: ColumnType) -> ColumnView:
    return ColumnView(name=name, type=type_, required=False, aliases=())


def test_a_field_of_ameise_is_compared_as_its_column_is_read_and_what_is_joined_to_it_by_its_name():
    view = TableView(
        table=Table.KUNDE, files=(), key=("ameise_id",),
        columns=(
            column("plz", ColumnType.TEXT), column("geburtsdatum", ColumnType.DATE),
            column("umsatz", ColumnType.DECIMAL), column("verstorben", ColumnType.BOOLEAN),
            column("geaendert", ColumnType.TIMESTAMP),
        ),
        fields=(
            "plz", "geburtsdatum", "umsatz", "verstorben", "geaendert", "anrede", "juristische_person",
            "email", "mobil", "details", "kommunikationen",
        ),
    )  # fmt: skip
    assert {field.name: field.type for field in in_ameise(view)} == {
        "plz": ValueType.TEXT, "geburtsdatum": ValueType.DATE, "umsatz": ValueType.NUMBER,
        "verstorben": ValueType.BOOLEAN, "geaendert": ValueType.DATE, "anrede": ValueType.TEXT,
        "juristische_person": ValueType.BOOLEAN, "email": ValueType.EMAIL, "mobil": ValueType.PHONE,
    }  # fmt: skip


def test_fields_of_zoho_stand_in_the_order_of_their_labels_and_those_of_several_values_are_left_out():
    fields = {
        "Last_Name": FieldMeta(api_name="Last_Name", display_label="Nachname", data_type="text"),
        "Birth": FieldMeta(api_name="Birth", field_label="geboren", data_type="date"),
        "Amount": FieldMeta(api_name="Amount", data_type="currency"),
        "Odd": FieldMeta(api_name="Odd", display_label="Zettel", data_type="new_in_2027"),
        "Owner": FieldMeta(
            api_name="Owner", display_label="Inhaber", data_type="ownerlookup", json_type="jsonobject"
        ),
        "Interests": FieldMeta(api_name="Interests", data_type="multiselectpicklist", json_type="jsonarray"),
    }
    assert in_zoho(fields) == (
        KnownField(name="Amount", type=ValueType.NUMBER),
        KnownField(name="Birth", label="geboren", type=ValueType.DATE),
        KnownField(name="Owner", label="Inhaber (Id)"),
        KnownField(name="Last_Name", label="Nachname"),
        KnownField(name="Odd", label="Zettel"),
    )
