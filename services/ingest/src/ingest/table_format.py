"""What the files of a delivery look like, read from a data file in `ingest/formats`.

File and column names of DailyUp are not public, so they are data: tables, file name patterns, keys,
columns with aliases, types, and references to lists.
"""

import importlib.resources
import re
import tomllib
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from contracts.names import Table
from contracts.rpc.ingest_format import ColumnType, Policy

Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,40}$")]
"""Our name of a column. Safe in SQL text by its form."""


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Column(_Data):
    name: Identifier
    type: ColumnType
    required: bool = False
    aliases: tuple[str, ...] = ()
    references: Table | None = None
    belongs_to: Table | None = None
    missing: Policy | None = None
    unreadable: Policy = Policy.KEEP_RAW

    @property
    def points_to(self) -> Table | None:
        """The table that has the key which stands here."""
        return self.references or self.belongs_to

    def is_headed(self, heading: str) -> bool:
        """Whether `heading`, normalised, is this column's name or one of its aliases."""
        return heading == self.name or heading in map(normalised, self.aliases)


class TableFormat(_Data):
    """One table: how its files are named, and what stands in them."""

    table: Table
    files: tuple[str, ...]
    key: tuple[Identifier, ...]
    columns: tuple[Column, ...]
    new_columns: dict[str, Policy] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _key_is_required(self) -> "TableFormat":
        required = {column.name for column in self.columns if column.required}
        if not set(self.key) <= required:
            raise ValueError(f"{self.table}: the key's columns must be columns, and required")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    def column_headed(self, heading: str) -> Column | None:
        """The column that a heading in a file stands for."""
        wanted = normalised(heading)
        return next((column for column in self.columns if column.is_headed(wanted)), None)

    def policy_for_new(self, heading: str) -> Policy:
        """What to do with a column that is none of ours; `heading` normalised."""
        return self.new_columns.get(heading) or self.new_columns.get("*") or Policy.KEEP_RAW


class Format(_Data):
    """All tables of a delivery, in the order of `contracts.names.Table`: lists, Kunde, Vertrag."""

    version: str
    tables: tuple[TableFormat, ...]

    @model_validator(mode="after")
    def _every_table_once(self) -> "Format":
        if [definition.table for definition in self.tables] != list(Table):
            raise ValueError("a format defines every table once, in the order of the Table enum")
        return self

    def __getitem__(self, table: Table) -> TableFormat:
        return next(definition for definition in self.tables if definition.table == table)

    def table_of(self, file_name: str) -> Table | None:
        """The table that a file brings, by its name; None if it looks like none."""
        name = file_name.lower()
        for definition in self.tables:
            if any(fnmatchcase(name, pattern.lower()) for pattern in definition.files):
                return definition.table
        return None

    def missing_in(self, file_names: Iterable[str]) -> tuple[Table, ...]:
        """Tables that none of these files brings."""
        brought = {self.table_of(name) for name in file_names}
        return tuple(definition.table for definition in self.tables if definition.table not in brought)


def normalised(heading: str) -> str:
    """`"Straße "`, `Land-ID` and `\\ufeffland id` as they are compared."""
    return re.sub(r"[\s\-]+", "_", heading.replace("\ufeff", "").strip().lower())


def load_format(name: str) -> Format:
    """The format of that name in the package. Raises FileNotFoundError or pydantic.ValidationError."""
    text = (importlib.resources.files("ingest") / "formats" / f"{name}.toml").read_text(encoding="utf-8")
    return Format.model_validate(tomllib.loads(text))
