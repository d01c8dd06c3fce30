"""What an admin decides about a pipeline: which objects travel, which fields, and who wins. Data only.

What the words mean is decided in sync (`rules`, `mapping`, `merge`); here is only their form, so that the
API, sync and its database speak of the same thing.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints

from contracts.ids import ZohoId
from contracts.names import Table
from contracts.rpc import RpcModel
from contracts.rpc.pipeline_switches import MatchWeights, SimplrMessages

AmeiseName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
"""A field of an object of Ameise, as ingest composes it; `key` is the object's key."""
ZohoName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,99}$")]
"""The API name of a module or field of Zoho."""
RuleText = Annotated[str, StringConstraints(max_length=255)]

MOST_FIELDS = 45
"""One call of Zoho reads 50 fields: these, and those that we need ourselves."""


class Way(StrEnum):
    """Which way a pipeline, or one field of it, travels."""

    BOTH = "both"
    TO_ZOHO = "to_zoho"
    TO_AMEISE = "to_ameise"


class Person(StrEnum):
    """Of which kind of person a Kunde is: his Anrede says so (`juristische_person`)."""

    NATURAL = "natural"
    LEGAL = "legal"


class Policy(StrEnum):
    """Who wins where both sides changed a field to different values."""

    AMEISE = "ameise"
    ZOHO = "zoho"
    ASK = "ask"
    """Nobody: both sides stay until a person decides, or the values agree."""


class Blank(StrEnum):
    """What an empty value may do, and to whom."""

    KEEP = "keep"
    """Empty never erases the other side."""
    ERASE = "erase"
    """Empty erases the other side."""
    FILL_BLANK = "fill_blank"
    """A value is only written where the other side is blank."""


class ValueType(StrEnum):
    """As what a value is compared or converted."""

    TEXT = "text"
    NUMBER = "number"
    DATE = "date"
    BOOLEAN = "boolean"
    PHONE = "phone"
    EMAIL = "email"


class Converter(StrEnum):
    """How a value gets from one side's form to the other's."""

    TEXT = "text"
    NUMBER = "number"
    DATE = "date"
    BOOLEAN = "boolean"
    PHONE = "phone"
    """As typed; two ways of writing one German number are the same."""
    EMAIL = "email"
    PICKLIST = "picklist"
    """By `values` (Ameise → Zoho); what is not in it becomes `default`, else it travels as it is."""
    USER = "user"
    """By `values` (Ameise → the id of a user of Zoho); what is not in it becomes `default`, else nothing is
    written."""
    LOOKUP = "lookup"
    """The key of an object of `points_to` becomes the id of the record in `module` that it is linked to."""
    JOIN = "join"
    """The fields `parts`, those that are not empty, with `separator` between them."""
    CONSTANT = "constant"
    LINK = "link"
    """`template` with `{base}` (the installation's address of Ameise) and `{value}`."""


class Comparison(StrEnum):
    EQUALS = "equals"
    NOT_EQUALS = "not_equals"
    IN = "in"
    CONTAINS = "contains"
    BEGINS_WITH = "begins_with"
    LESS = "less"
    GREATER = "greater"
    IS_EMPTY = "is_empty"
    IS_KNOWN = "is_known"


class _RuleNode(RpcModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Compare(_RuleNode):
    """One field against a value; `values` is what `in` compares with."""

    field: Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,99}$")]
    compare: Comparison
    value: RuleText | bool | None = None
    values: tuple[RuleText, ...] = Field(default=(), max_length=200)
    type: ValueType = ValueType.TEXT


class AllOf(_RuleNode):
    all_of: tuple["Rule", ...] = Field(min_length=1, max_length=50)


class AnyOf(_RuleNode):
    any_of: tuple["Rule", ...] = Field(min_length=1, max_length=50)


class Not(_RuleNode):
    negate: "Rule"


Rule = Compare | AllOf | AnyOf | Not
"""A tree over comparisons, judged in three-valued logic: what depends on an unknown value is unknown."""


class Kundendetail(_RuleNode):
    """An individual field of Kunden: `field` is its id in Ameise, by which it is written; `name` its
    Bezeichnung, by which the deliveries know it."""

    field: Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z_-]{1,64}$")]
    name: str = Field(min_length=1, max_length=255)


class FieldMapping(RpcModel):
    """One row of a pipeline's mapping.

    `ameise` names it within the pipeline, and is the field of Ameise that it reads, unless `parts` says
    otherwise, or `detail` an individual field. `policy`: other than the pipeline's. `max_length`: characters
    that the receiving field takes.
    """

    ameise: AmeiseName
    zoho: ZohoName
    way: Way = Way.BOTH
    converter: Converter = Converter.TEXT
    values: dict[str, str] = Field(default_factory=dict)
    default: str | None = None
    blank: Blank = Blank.KEEP
    required: bool = False
    max_length: int | None = Field(default=None, ge=1)
    policy: Policy | None = None
    module: ZohoName | None = None
    points_to: Table = Table.KUNDE
    parts: tuple[AmeiseName, ...] = Field(default=(), max_length=10)
    detail: Kundendetail | None = None
    separator: str = Field(default=" ", max_length=10)
    constant: str | None = Field(default=None, max_length=255)
    template: str | None = Field(default=None, max_length=255)


class Mark(RpcModel):
    """A field of Zoho that says that the object is gone in Ameise: `gone`; `living` if it comes back."""

    field: ZohoName
    gone: str = Field(min_length=1, max_length=255)
    living: str | None = Field(default=None, max_length=255)


class Deletion(_RuleNode):
    """The record of an object that is gone in Ameise goes to Zoho's recycle bin, `after_days` days later."""

    after_days: int = Field(default=30, ge=1, le=3650)


class PipelineDefinition(RpcModel):
    """All that an admin decides, but the ends of a pipeline.

    `unique_field`: Zoho's unique field that holds the object's key. `new_kunde`, `new_vertrag`: Ameise fields
    of a new Kunde or Vertrag where the record leaves them blank. `simplr`: what Ameise writes to a new Kunde.
    `matching`: when somebody counts as a Kunde already. `vanished`: how an object that is gone in Ameise is
    marked in Zoho. `deletion`: whether its record is deleted there after a while. Without both it stays as it
    is. `recreate`: whether a record that somebody deleted in Zoho is made again.
    """

    unique_field: ZohoName
    direction: Way = Way.BOTH
    person: Person | None = None
    layout: ZohoId | None = None
    ameise_rule: Rule | None = None
    zoho_rule: Rule | None = None
    new_kunde: dict[AmeiseName, str] = Field(default_factory=dict)
    new_vertrag: dict[AmeiseName, str] = Field(default_factory=dict)
    simplr: SimplrMessages = SimplrMessages()
    matching: MatchWeights = MatchWeights()
    policy: Policy = Policy.AMEISE
    vanished: Mark | None = None
    deletion: Deletion | None = None
    recreate: bool = False
    fields: tuple[FieldMapping, ...] = Field(min_length=1, max_length=MOST_FIELDS)
