"""A pipeline from a template, or for a list of Ameise from nothing but its key. Pure."""

from collections.abc import Mapping, Sequence

from pydantic import ValidationError

from contracts.names import Table
from contracts.problems import Conflict, Invalid, NotConnected, NotFound, Problem
from contracts.rpc.pipeline_definition import FieldMapping, PipelineDefinition, Way
from contracts.rpc.sync_pipelines import CreatePipeline, PipelineTemplate
from gateway.faults import fault_words
from gateway.pipeline_form import Faults, FormError
from gateway.wording import label

LISTS = tuple(
    table
    for table in Table
    if table not in {Table.KUNDE, Table.VERTRAG, Table.KUNDENKOMMUNIKATION, Table.KUNDENDETAIL}
)
"""Tables without a template that can have a pipeline."""
_LIST = "list:"


def request_of(values: Mapping[str, str], templates: Sequence[PipelineTemplate]) -> CreatePipeline:
    """What was typed; a name and module that were left empty are the template's. It is made switched off, so
    that a person looks at it first. Raises FormError."""
    chosen = values.get("template", "")
    typed = {name: values.get(name, "").strip() for name in ("name", "module", "unique_field")}
    faults: Faults = {}
    if chosen.startswith(_LIST) and chosen.removeprefix(_LIST) in LISTS:
        table = Table(chosen.removeprefix(_LIST))
        for needed in ("module", "unique_field"):
            if not typed[needed]:
                faults[needed] = ["ohne Vorlage bitte angeben"]
        template = _of_list(table, typed["module"] or "X", typed["unique_field"] or "X", faults)
    elif chosen.isdecimal() and int(chosen) < len(templates):
        template = templates[int(chosen)]
    else:
        raise FormError({"template": ["bitte wählen"]})
    try:
        request = CreatePipeline.model_validate(
            {
                "name": typed["name"] or template.name,
                "table": template.table,
                "module": typed["module"] or template.module,
                "ameise_connection": values.get("ameise_connection", ""),
                "zoho_connection": values.get("zoho_connection", ""),
                "enabled": False,
                "definition": template.definition,
            }
        )
    except ValidationError as error:
        for fault in error.errors():
            place = str(fault["loc"][0])
            words = "bitte wählen" if place.endswith("_connection") else fault_words(fault)
            faults.setdefault(place, []).append(words)
        raise FormError(faults) from error
    if faults:
        raise FormError(faults)
    return request


def _of_list(table: Table, module: str, unique_field: str, faults: Faults) -> PipelineTemplate:
    try:
        key = FieldMapping(ameise="key", zoho=unique_field, way=Way.TO_ZOHO)
    except ValidationError as error:
        faults["unique_field"] = [fault_words(error.errors()[0])]
        key = FieldMapping(ameise="key", zoho="X", way=Way.TO_ZOHO)
    definition = PipelineDefinition(unique_field=key.zoho, direction=Way.TO_ZOHO, fields=(key,))
    try:
        return PipelineTemplate(name=label(table), table=table, module=module, definition=definition)
    except ValidationError as error:
        raise FormError(faults | {"module": [fault_words(error.errors()[0])]}) from error


def place_of(problem: Problem) -> str:
    """The field at which a refusal to make the pipeline is shown."""
    match problem:
        case Conflict():
            return "module"
        case NotFound() if problem.detail.startswith("das Modul"):
            return "module"
        case Invalid() if problem.detail.startswith("key: "):
            return "unique_field"
        case NotFound() | NotConnected():
            return "zoho_connection" if "zoho" in problem.detail.lower() else "ameise_connection"
        case _:
            return ""
