"""What sync can be asked about the values that a pipeline maps: which entry becomes which, or which user."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field, StringConstraints

from contracts.actor import Role
from contracts.ids import PipelineId
from contracts.names import Service, Table
from contracts.rpc import Rpc, RpcModel

FieldName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,99}$")]


class SuggestValues(RpcModel):
    """`field`: of the pipeline's mapping, by its name on either side."""

    pipeline: PipelineId
    field: FieldName


class ListEntry(RpcModel):
    """An entry of a list of Ameise. `value` is what the mapped field holds: the entry's key, or its text."""

    value: str
    text: str


class SuggestedValues(RpcModel):
    """`values` is ready to become those of the field's mapping: what it maps now, as far as both sides still
    know it, and entries whose text is one of Zoho's values. What is left over waits for a person: entries of
    Ameise that Zoho has no value for (`unmatched`), and values of Zoho that no entry becomes (`unused`)."""

    table: Table
    values: dict[str, str]
    texts: dict[str, str] = Field(
        default_factory=dict, description="of the entries in `values` that are keys"
    )
    unmatched: tuple[ListEntry, ...] = ()
    unused: tuple[str, ...] = Field(default=(), description="as Zoho's records carry them")
    names: dict[str, str] = Field(default_factory=dict, description="of Zoho's users, by their ids")


SUGGEST_VALUES = Rpc(
    Service.SYNC, "suggest_values", SuggestValues, SuggestedValues,
    callers=frozenset({Service.GATEWAY}), role=Role.ADMIN, silent_because="only looks",
    timeout=timedelta(seconds=30),
)  # fmt: skip
RPCS = (SUGGEST_VALUES,)
