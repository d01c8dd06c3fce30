# ruff: noqa: S608 (tables are an enum, columns are identifiers by the format's own check)
"""Composed objects: what sync gets to see of a Kunde, a Vertrag or a list entry. One SQL text per table.

The same text makes the objects for the RPC and, at import, their versions, so that both always agree. A
Kunde has its Kontaktdaten and Details inside and the texts of its lists resolved. A version is the MD5 of
all values of the object as one text of PostgreSQL's, in the order of its fields, and of its unknown names.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from contracts.names import Table
from contracts.problems import Invalid
from contracts.rpc.ingest_format import ColumnType
from ingest.table_format import Format, TableFormat

CHILDREN_OF_KUNDE = (Table.KUNDENKOMMUNIKATION, Table.KUNDENDETAIL)
"""Tables that travel inside the Kunde and are no objects for others."""

OBJECT_TABLES = tuple(table for table in Table if table not in CHILDREN_OF_KUNDE)


def check_is_object_table(table: Table) -> None:
    """Raise Invalid for the parts of a Kunde."""
    if table in CHILDREN_OF_KUNDE:
        raise Invalid(f"{table} is part of the Kunde", remedy="ask for the Kunde")


KINDS = ("email", "telefon", "mobil", "website", "fax")
"""Kinds of Kontaktdatum that are also there as a flat field: the standard one, else the first."""

GONE_VERSION = "md5('gone')"


@dataclass(frozen=True, slots=True)
class Resolved:
    """A text taken from a list: field `name` is `column` of the list that `reference` points to."""

    name: str
    reference: str
    column: str = "text"


RESOLVED: Mapping[Table, tuple[Resolved, ...]] = {
    Table.KUNDE: (
        Resolved("anrede", "anrede_id"),
        Resolved("juristische_person", "anrede_id", "juristische_person"),
        Resolved("land", "land_id"),
        Resolved("rechtsform", "rechtsform_id"),
        Resolved("vermittler", "vermittler_id", "name"),
    ),
    Table.VERTRAG: (
        Resolved("sparte", "sparte_id"),
        Resolved("gesellschaft", "gesellschaft_id"),
        Resolved("status", "status_id"),
        Resolved("zahlweise", "zahlweise_id"),
        Resolved("vermittler", "vermittler_id", "name"),
    ),
}

WANTED_KEYS = "SELECT unnest(CAST(:keys AS text[])) AS key"


@dataclass(frozen=True, slots=True)
class _Field:
    """A field of a composed object: its SQL value, null where it is unknown; when it is unknown beyond its
    own cell; a condition without which that is never so, shared by many and quick to look at; and its value
    as it is shown, if that says more than what the version is made of."""

    name: str
    value: str
    unknown: str | None = None
    doubt: str | None = None
    shown: str | None = None


def composed_sql(form: Format, table: Table, wanted: str) -> str:
    """SELECT of `key, fields, unknown, version` for the living rows whose keys `wanted` selects.

    Takes the parameter `tenant` (and those of `wanted`). Fields that are unknown are not in `fields`.
    """
    return f"""
        {_built(form, table, wanted, with_fields=True)}
        SELECT key, CASE WHEN cardinality(unknown) = 0 THEN fields ELSE fields - unknown END AS fields,
               unknown, {_VERSION} AS version
        FROM built
    """


def values_sql(form: Format, table: Table, wanted: str, *, versioned: bool) -> str:
    """SELECT of `key`, `unknown`, the values `v0`, `v1`, ... of the fields (see `field_names`), and `version`
    if so asked, of the same rows: to compare objects, which JSON makes slow. Of an unknown field the value
    means nothing."""
    values = "".join(f", v{place}" for place in range(len(field_names(form, table))))
    version = f", {_VERSION} AS version" if versioned else ""
    return f"""
        {_built(form, table, wanted, with_values=True)}
        SELECT key, unknown{values}{version} FROM built
    """


def versioned_sql(form: Format, table: Table, columns: Sequence[str]) -> str:
    """SELECT of `key`, these columns and `version` of all rows of `incoming_<table>`, which are not stored
    yet; what belongs to them is. Takes the parameter `tenant`."""
    own = ", ".join(f"own_{name} AS {name}" for name in columns)
    return f"""
        {_built(form, table, None, own_columns=columns)}
        SELECT key, {own}, {_VERSION} AS version FROM built
    """


_VERSION = "md5(CASE WHEN cardinality(unknown) = 0 THEN state ELSE state || CAST(unknown AS text) END)"


def _built(
    form: Format,
    table: Table,
    wanted: str | None,
    *,
    with_fields: bool = False,
    with_values: bool = False,
    own_columns: Sequence[str] = (),
) -> str:
    """WITH ... `built (key, state, unknown)`, and if wanted `fields`, or the values as `v0`, `v1`, ...; all
    of them as one text are `state`.

    Of the stored rows that `wanted` selects; without it of all rows of `incoming_<table>`, with their
    `own_columns` as `own_<column>`.

    MATERIALIZED: right after a first import PostgreSQL knows nothing about the tables, takes them for
    empty, and would aggregate the Kontaktdaten anew for every single Kunde. OFFSET 0: else it would find out
    what is unknown wherever that is looked at, three times.
    """
    fields, joins = _fields_of(form, table)
    ctes: list[str] = []
    rows = f"incoming_{table} o"
    if wanted:
        ctes.append(f"wanted AS MATERIALIZED ({wanted})")
        rows = f"wanted JOIN {table} o ON o.tenant = :tenant AND o.key = wanted.key AND o.gone_since IS NULL"
    if table is Table.KUNDE:
        ctes += [_kontaktdaten(only_wanted=bool(wanted)), _details(only_wanted=bool(wanted))]
    values = ", ".join(field.value for field in fields)
    pairs = ", ".join(f"'{field.name}', {field.shown or field.value}" for field in fields)
    unknown = _unknown([field for field in fields if field.unknown])
    more = [f"jsonb_build_object({pairs}) AS fields"] if with_fields else []
    more += [f"o.{name} AS own_{name}" for name in own_columns]
    names = ["fields"] if with_fields else []
    if with_values:
        more += [f"{field.value} AS v{place}" for place, field in enumerate(fields)]
        names += [f"v{place}" for place in range(len(fields))]
    names += [f"own_{name}" for name in own_columns]
    return f"""
        WITH {"".join(f"{cte}, " for cte in ctes)}
        found AS (
            SELECT o.key, CAST(ROW({values}) AS text) AS state, {unknown} AS unknown
                   {"".join(f", {one}" for one in more)}
            FROM {rows} {" ".join(joins)} OFFSET 0
        ), built AS (
            SELECT key, state, {"".join(f"{name}, " for name in names)}
                   CASE WHEN cardinality(unknown) < 2 THEN unknown
                        ELSE ARRAY(SELECT DISTINCT u COLLATE "C" FROM unnest(unknown) u ORDER BY 1)
                   END AS unknown
            FROM found
        )
    """


def field_names(form: Format, table: Table) -> tuple[str, ...]:
    """The fields of a table's objects, in their order."""
    return tuple(field.name for field in _fields_of(form, table)[0])


def _fields_of(form: Format, table: Table) -> tuple[list[_Field], list[str]]:
    """The fields of the row `o`, and the joins that they need."""
    definition = form[table]
    fields = [_Field(c.name, _value(f"o.{c.name}", c.type)) for c in definition.columns]
    joins: list[str] = []
    for resolved in RESOLVED.get(table, ()):
        field, join = _resolved(definition, resolved)
        fields.append(field)
        if join not in joins:
            joins.append(join)
    if table is Table.KUNDE:
        fields += _of_children()
        joins += [
            "LEFT JOIN kontakt ON kontakt.kunde_id = o.key",
            "LEFT JOIN detail ON detail.kunde_id = o.key",
        ]
    return fields, joins


def _unknown(fields: Sequence[_Field]) -> str:
    """The names of unknown fields. For most objects there are none: not to build the array saves a fifth."""
    if not fields:
        return "o.unknown"
    doubts = " OR ".join(dict.fromkeys(f"({field.doubt})" for field in fields))
    names = ", ".join(f"CASE WHEN {field.unknown} THEN '{field.name}' END" for field in fields)
    found = f"array_remove(CAST(ARRAY[{names}] AS text[]), NULL)"
    return f"CASE WHEN cardinality(o.unknown) > 0 OR {doubts} THEN o.unknown || {found} ELSE o.unknown END"


def _value(column: str, type_: ColumnType) -> str:
    """Dates become ISO text by jsonb itself; decimals must be text, since JSON numbers lose their form."""
    return f"CAST({column} AS text)" if type_ is ColumnType.DECIMAL else column


def _resolved(definition: TableFormat, resolved: Resolved) -> tuple[_Field, str]:
    column = next(c for c in definition.columns if c.name == resolved.reference)
    assert column.references is not None
    alias = f"l_{column.references}"
    join = (
        f"LEFT JOIN {column.references} {alias} ON {alias}.tenant = :tenant "
        f"AND {alias}.key = o.{column.name} AND {alias}.gone_since IS NULL"
    )
    # The text of a list entry that is not there, or not known, is null.
    unresolved = f"{alias}.key IS NULL OR '{resolved.column}' = ANY({alias}.unknown)"
    unknown = f"'{column.name}' = ANY(o.unknown) OR (o.{column.name} IS NOT NULL AND ({unresolved}))"
    doubt = f"o.{column.name} IS NOT NULL AND ({alias}.key IS NULL OR cardinality({alias}.unknown) > 0)"
    return _Field(resolved.name, f"{alias}.{resolved.column}", unknown, doubt), join


_ORDER = 'c.standard DESC NULLS LAST, length(c.key), c.key COLLATE "C"'

_ART_UNKNOWN = "bool_or('art' = ANY(c.unknown))"


def _of_kind(kind: str) -> str:
    wanted = f"FILTER (WHERE lower(c.art) = '{kind}')"
    unknown = f"{_ART_UNKNOWN} OR coalesce(bool_or(c.unknown && ARRAY['wert', 'standard']) {wanted}, false)"
    return (
        f"CASE WHEN NOT ({unknown}) THEN (array_agg(c.wert ORDER BY {_ORDER}) {wanted})[1] END AS {kind}, "
        f"{unknown} AS {kind}_unknown"
    )


def _kontaktdaten(*, only_wanted: bool) -> str:
    """A Kunde's Kontaktdaten, null where unknown. None are known before the table came whole once."""
    return f"""
    kontakt AS MATERIALIZED (
        SELECT c.kunde_id, bool_or(c.unknown <> '{{}}') AS some_unknown,
               CASE WHEN NOT bool_or(c.unknown <> '{{}}') THEN jsonb_agg(
                   jsonb_build_object('art', lower(c.art), 'kontext', c.kontext, 'wert', c.wert,
                                      'standard', coalesce(c.standard, false))
                   ORDER BY lower(c.art) COLLATE "C", {_ORDER}) END AS alle,
               {", ".join(map(_of_kind, KINDS))}
        FROM kundenkommunikation c {"JOIN wanted ON wanted.key = c.kunde_id" if only_wanted else ""}
        WHERE c.tenant = :tenant AND c.gone_since IS NULL AND {_came_whole(Table.KUNDENKOMMUNIKATION)}
        GROUP BY c.kunde_id
    )
    """


def _details(*, only_wanted: bool) -> str:
    """The same of Details."""
    unknown = "bool_or(d.unknown <> '{}' OR f.bezeichnung IS NULL)"
    return f"""
    detail AS MATERIALIZED (
        SELECT d.kunde_id, {unknown} AS some_unknown,
               CASE WHEN NOT {unknown} THEN
                   jsonb_object_agg(f.bezeichnung, d.wert ORDER BY length(f.key), f.key COLLATE "C")
                       FILTER (WHERE f.bezeichnung IS NOT NULL) END AS alle
        FROM kundendetail d {"JOIN wanted ON wanted.key = d.kunde_id" if only_wanted else ""}
        LEFT JOIN kundendetailfeld f ON f.tenant = :tenant AND f.key = d.feld_id AND f.gone_since IS NULL
        WHERE d.tenant = :tenant AND d.gone_since IS NULL AND {_came_whole(Table.KUNDENDETAIL)}
        GROUP BY d.kunde_id
    )
    """


def _of_children() -> list[_Field]:
    """Never delivered whole is unknown; delivered and none there is empty."""
    contacts, details = _came_whole(Table.KUNDENKOMMUNIKATION), _came_whole(Table.KUNDENDETAIL)

    def of(
        name: str,
        value: str,
        part: str,
        came_whole: str,
        unknown: str = "some_unknown",
        shown: str | None = None,
    ) -> _Field:
        doubt = f"NOT {came_whole} OR {part}.some_unknown"
        return _Field(name, value, f"NOT {came_whole} OR coalesce({part}.{unknown}, false)", doubt, shown)

    def or_empty(part: str, came_whole: str, empty: str) -> str:
        return f"CASE WHEN {part}.kunde_id IS NULL AND {came_whole} THEN '{empty}' ELSE {part}.alle END"

    filled = or_empty("detail", details, "{}")
    return [
        of("kommunikationen", or_empty("kontakt", contacts, "[]"), "kontakt", contacts),
        *(of(kind, f"kontakt.{kind}", "kontakt", contacts, f"{kind}_unknown") for kind in KINDS),
        of("details", filled, "detail", details, shown=f"{_NO_DETAILS} || {filled}"),
    ]


# What is not among a Kunde's own is empty only if there is such a field: one that was renamed is not emptied.
_NO_DETAILS = """
(SELECT coalesce(jsonb_object_agg(f.bezeichnung, CAST(NULL AS text)), '{}') FROM kundendetailfeld f
 WHERE f.tenant = :tenant AND f.gone_since IS NULL AND f.bezeichnung IS NOT NULL)
"""


def _came_whole(table: Table) -> str:
    """Once, at least."""
    return (
        "(SELECT EXISTS (SELECT FROM delivered_table "
        f"WHERE tenant = :tenant AND table_name = '{table}' AND whole_once))"
    )
