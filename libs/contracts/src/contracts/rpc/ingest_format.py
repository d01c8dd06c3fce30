"""How a tenant's files differ from the format that ingest expects, and what a sample of them would give."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from contracts.actor import Role
from contracts.events import FormatChanged
from contracts.ids import AmeiseKey
from contracts.names import Service, Table
from contracts.rpc import Empty, Rpc, RpcModel

MAX_SAMPLE_BYTES = 45_000
"""In base64, with its changes beside it, what the gateway takes as the body of a request (64 KiB). A larger
sample goes by `ingest import PATH --tenant T --dry-run`."""

Word = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]


class ColumnType(StrEnum):
    TEXT = "text"
    DATE = "date"
    DECIMAL = "decimal"
    BOOLEAN = "boolean"
    TIMESTAMP = "timestamp"


class Policy(StrEnum):
    """What happens with a column that is new, missing, or not readable as it used to be.

    `keep_raw`: it is reported; a new column is kept raw, and values that cannot be read stay as they are
    stored. `ignore`: the same without a report, and a new column is not kept. `hold`: a person decides.
    """

    KEEP_RAW = "keep_raw"
    IGNORE = "ignore"
    HOLD = "hold"


class _Changes(RpcModel):
    """Typed by a person: a word that means nothing to us must be an error, not ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ColumnChange(_Changes):
    """What is different about one column; what is not given stays as the format has it.

    `missing`: not given means `hold` if it used to be delivered, else `keep_raw`. `unreadable`: what to do
    when more of its cells than the limit of fill rates cannot be read; not given means `keep_raw`.
    """

    aliases: tuple[Word, ...] | None = Field(default=None, max_length=20)
    type: ColumnType | None = None
    required: bool | None = None
    missing: Policy | None = None
    unreadable: Policy | None = None


class TableChange(_Changes):
    """What is different about one table. `new_columns`: heading, or `*` for all others → what to do."""

    files: tuple[Word, ...] | None = Field(
        default=None, min_length=1, max_length=20, description="patterns of file names"
    )
    columns: dict[str, ColumnChange] = Field(default_factory=dict)
    new_columns: dict[Word, Policy] = Field(default_factory=dict, max_length=200)


class FormatChanges(_Changes):
    tables: dict[Table, TableChange] = Field(default_factory=dict)


class ColumnView(RpcModel):
    name: str
    type: ColumnType
    required: bool
    aliases: tuple[str, ...]


class TableView(RpcModel):
    """`fields`: of the table's objects, as pipelines read them: its columns, and what is resolved from lists
    or joined to them; none of a table that has no objects of its own."""

    table: Table
    files: tuple[str, ...]
    key: tuple[str, ...]
    columns: tuple[ColumnView, ...]
    fields: tuple[str, ...] = ()


class FormatView(RpcModel):
    """The format that applies to the tenant's files: `changes` laid over the built-in one called `base`.

    `fault`: why they are not, since a newer release came with a built-in format that they do not fit."""

    base: str
    changes: FormatChanges
    tables: tuple[TableView, ...]
    fault: str | None = None


class SetFormat(RpcModel):
    """All that is to be different from now on; what was set before and is not here is undone."""

    changes: FormatChanges


class DryRun(RpcModel):
    """A sample file. `changes` are tried in place of those that are set."""

    file: str = Field(min_length=1, max_length=255, description="the file's name: it says which table")
    content: str = Field(max_length=MAX_SAMPLE_BYTES * 4 // 3 + 4, description="the file's bytes in base64")
    changes: FormatChanges | None = None


class HeadingRead(RpcModel):
    """A heading of the file, and the column that it stands for, if any."""

    heading: str
    column: str | None = None


class ProblemFound(RpcModel):
    """`row` counts records, `line` lines; the heading is 1. `value` is the class of what stood there
    (`text`, `number`, ...), never the value."""

    file: str
    rule: str
    row: int | None = None
    line: int | None = None
    column: str | None = None
    value: str | None = None


class SampleRead(RpcModel):
    """What the sample would give. Without `table` its name is that of no table."""

    table: Table | None = None
    encoding: Literal["utf-8", "utf-8 with BOM", "windows-1252"] | None = None
    delimiter: str | None = None
    headings: tuple[HeadingRead, ...] = ()
    rows: int = 0
    rejected: int = 0
    keys: tuple[AmeiseKey, ...] = Field(default=(), description="the first few")
    problems: tuple[ProblemFound, ...] = Field(default=(), description="the first few")
    problem_count: int = 0


GET_FORMAT = Rpc(
    Service.INGEST, "get_format", Empty, FormatView,
    callers=frozenset({Service.GATEWAY, Service.SYNC}), role=Role.ADMIN, silent_because="only looks",
)  # fmt: skip
SET_FORMAT = Rpc(
    Service.INGEST, "set_format", SetFormat, FormatView,
    callers=frozenset({Service.GATEWAY}), role=Role.ADMIN, events=(FormatChanged,),
)  # fmt: skip
DRY_RUN = Rpc(
    Service.INGEST, "dry_run", DryRun, SampleRead,
    callers=frozenset({Service.GATEWAY}), role=Role.ADMIN,
    silent_because="reads a sample and keeps nothing of it",
)  # fmt: skip
FORMAT_RPCS = (GET_FORMAT, SET_FORMAT, DRY_RUN)
