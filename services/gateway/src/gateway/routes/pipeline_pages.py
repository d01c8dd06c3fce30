"""The pages on which a pipeline is made, changed and deleted."""

import asyncio
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Depends, Request
from pydantic import ValidationError
from starlette.responses import RedirectResponse, Response

from contracts.ids import PipelineId
from contracts.names import System, Table
from contracts.problems import Conflict, Invalid, NotConnected, NotFound, Problem, Unavailable
from contracts.rpc import Empty
from contracts.rpc.auth import LIST_CONNECTIONS, ConnectionState
from contracts.rpc.pipeline_definition import Blank, Converter, Person, Policy, ValueType, Way
from contracts.rpc.sync_pipelines import (
    CREATE_PIPELINE,
    DELETE_PIPELINE,
    GET_PIPELINE,
    LIST_TEMPLATES,
    PIPELINE_FIELDS,
    PIPELINE_NAME_LENGTH,
    UPDATE_PIPELINE,
    DeletePipeline,
    PipelineDetail,
    PipelineFields,
    PipelineRequest,
    UpdatePipeline,
)
from gateway import new_pipeline, pipeline_form, rendering, rule_form, rule_text
from gateway.asking import Asking, PageAsking
from gateway.faults import fault_words
from gateway.pipeline_faults import at_rows, placed
from gateway.pipeline_form import Faults, FormError, Values
from gateway.problems import in_words, in_words_with_page
from gateway.rendering import number
from gateway.routes import tells
from gateway.session import leave_note
from gateway.signing_in import require_csrf

router = APIRouter(include_in_schema=False)
_csrf = [Depends(require_csrf)]


@router.get("/teams/{tenant}/pipelines/new")
async def new(request: Request, asking: PageAsking) -> Response:
    return await _new_page(request, asking, {}, {})


@router.post("/teams/{tenant}/pipelines/new", dependencies=_csrf, openapi_extra=tells(CREATE_PIPELINE))
async def create(request: Request, asking: PageAsking) -> Response:
    values = await _typed(request)
    try:
        templates = (await asking.call(LIST_TEMPLATES, Empty())).pipelines
        made = await asking.call(CREATE_PIPELINE, new_pipeline.request_of(values, templates))
    except FormError as error:
        return await _new_page(request, asking, values, error.faults)
    except Unavailable as problem:
        return await _new_page(request, asking, values, {"": [in_words(problem)]}, status=503)
    except (Invalid, Conflict, NotFound, NotConnected) as problem:
        return await _new_page(request, asking, values, {new_pipeline.place_of(problem): [in_words(problem)]})
    leave_note(
        request,
        "Die Pipeline ist angelegt und noch ausgeschaltet: jetzt prüfen, Vorschau ansehen, einschalten."
        + _unchecked(made),
    )
    return RedirectResponse(f"/teams/{asking.tenant}/pipelines/{made.pipeline.id}/edit", status_code=303)


@dataclass(frozen=True, slots=True)
class _Edited:
    """What the page of a pipeline is about: `stored` is None while sync does not say. `there`: what a person
    chooses from."""

    asking: Asking
    pipeline: PipelineId
    stored: PipelineDetail | None
    there: PipelineFields


@router.get("/teams/{tenant}/pipelines/{pipeline}/edit")
async def edit(request: Request, asking: PageAsking, pipeline: PipelineId) -> Response:
    detail, there = await asyncio.gather(_detail(asking, pipeline), _fields(asking, pipeline))
    edited = _Edited(asking, pipeline, detail, there)
    return _edit_page(request, edited, _values_of(detail, there), {})


@router.post(
    "/teams/{tenant}/pipelines/{pipeline}/edit", dependencies=_csrf, openapi_extra=tells(UPDATE_PIPELINE)
)
async def save(request: Request, asking: PageAsking, pipeline: PipelineId) -> Response:
    """`more`: nothing is stored yet, one more row of the mapping is wanted; `rule`: a rule's rows change."""
    values = await _typed(request)
    stored, there = await _stored_and_fields(asking, pipeline)
    if isinstance(stored, Unavailable):
        edited = _Edited(asking, pipeline, None, there)
        if "more" not in values and "rule" not in values:
            return _edit_page(request, edited, values, {"": [in_words(stored)]}, status=503)
    else:
        edited = _Edited(asking, pipeline, stored, there)
    if "more" in values:
        return _edit_page(request, edited, pipeline_form.with_new_row(values), {})
    if "rule" in values:
        values, faults = pipeline_form.turned(values, values["rule"], there)
        return _edit_page(request, edited, values, faults)
    assert edited.stored is not None
    try:
        wanted = _update_of(values, edited.stored, there)
    except FormError as error:
        return _edit_page(request, edited, values, error.faults)
    try:
        saved = await asking.call(UPDATE_PIPELINE, wanted)
    except Invalid as problem:
        faults = placed(problem.detail, wanted.definition, pipeline_form.wanted_rows(values))
        return _edit_page(request, edited, values, at_rows(faults, values))
    except Conflict as problem:
        words = in_words_with_page(problem, f"/teams/{asking.tenant}/pipelines/{pipeline}/edit")
        return _edit_page(request, edited, values, {"": [words]})
    except Unavailable as problem:
        return await _perhaps_saved(request, edited, values, wanted, problem)
    leave_note(
        request,
        f"Die Pipeline „{wanted.name}“ ist geändert; alle Objekte werden neu beurteilt."
        + _emptied(edited.stored, wanted)
        + _unchecked(saved),
    )
    return RedirectResponse(f"/teams/{asking.tenant}/pipelines", status_code=303)


def _update_of(values: Values, stored: PipelineDetail, there: PipelineFields) -> UpdatePipeline:
    """Raises FormError."""
    definition = pipeline_form.definition_of(values, stored.definition, there)
    try:
        return UpdatePipeline(
            pipeline=stored.pipeline.id,
            name=values.get("name", "").strip(),
            version=values.get("version", ""),
            definition=definition,
        )
    except ValidationError as error:
        raise FormError({str(fault["loc"][0]): [fault_words(fault)] for fault in error.errors()}) from error


async def _perhaps_saved(
    request: Request, edited: _Edited, values: dict[str, str], wanted: UpdatePipeline, problem: Unavailable
) -> Response:
    """sync stores a definition before it has what is stored judged anew: whether it came so far is asked."""
    try:
        now = await _detail(edited.asking, edited.pipeline)
    except Unavailable:
        unknown = (
            f"{in_words(problem).rstrip('.')}. "
            "Ob gespeichert wurde, ist nicht zu erfahren: bitte gleich noch einmal."
        )
        return _edit_page(request, edited, values, {"": [unknown]}, status=503)
    if now.definition != wanted.definition or now.version == wanted.version:
        return _edit_page(request, edited, values, {"": [in_words(problem)]}, status=503)
    edited = _Edited(edited.asking, edited.pipeline, now, edited.there)
    half = (
        "Gespeichert, aber die Objekte werden noch nicht neu beurteilt: "
        f"{in_words(problem).rstrip('.')}. Noch einmal speichern holt es nach."
    )
    return _edit_page(request, edited, _values_of(now, edited.there), {}, half=half)


@router.get("/teams/{tenant}/pipelines/{pipeline}/delete")
async def ask_to_delete(request: Request, asking: PageAsking, pipeline: PipelineId) -> Response:
    detail = await _detail(asking, pipeline)
    return _delete_page(request, asking, detail, None)


@router.post(
    "/teams/{tenant}/pipelines/{pipeline}/delete", dependencies=_csrf, openapi_extra=tells(DELETE_PIPELINE)
)
async def delete(request: Request, asking: PageAsking, pipeline: PipelineId) -> Response:
    """Only if its name was typed once more: there is no way back."""
    values = await _typed(request)
    detail = await _detail(asking, pipeline)
    if values.get("confirmed", "").strip() != detail.pipeline.name:
        wrong = "Zum Löschen bitte den Namen der Pipeline genau so noch einmal eingeben."
        return _delete_page(request, asking, detail, wrong)
    try:
        wanted = DeletePipeline(pipeline=pipeline, links_too="links_too" in values)
        gone = await asking.call(DELETE_PIPELINE, wanted)
    except Conflict as problem:
        return _delete_page(request, asking, detail, in_words(problem))
    leave_note(
        request,
        f"Die Pipeline „{detail.pipeline.name}“ ist gelöscht, mit {number(gone.links)} Verknüpfungen und "
        f"{number(gone.works)} wartenden oder geparkten Aufgaben.",
    )
    return RedirectResponse(f"/teams/{asking.tenant}/pipelines", status_code=303)


async def _new_page(
    request: Request, asking: Asking, values: Values, faults: Faults, *, status: int = 200
) -> Response:
    """What was typed is shown also while nobody says what there is to choose from."""
    try:
        templates = (await asking.call(LIST_TEMPLATES, Empty())).pipelines
    except Unavailable:
        if not values:
            raise
        templates = ()
    try:
        connections = (await asking.call(LIST_CONNECTIONS, Empty())).connections
    except Unavailable:
        if not values:
            raise
        connections = None
    active = [c for c in connections or () if c.state is ConnectionState.ACTIVE]
    ameise = [c for c in active if c.system is System.AMEISE]
    zoho = [c for c in active if c.system is System.ZOHO]
    return rendering.page(
        request, "pipeline_new.html", status_code=422 if faults and status == 200 else status, team=asking,
        tab="pipelines", values=values, faults=faults, templates=templates, lists=new_pipeline.LISTS,
        ameise=ameise, zoho=zoho, may_choose=connections is None or bool(ameise and zoho),
        name_length=PIPELINE_NAME_LENGTH,
    )  # fmt: skip


def _edit_page(
    request: Request, edited: _Edited, values: Values, faults: Faults, *,
    status: int = 200, half: str | None = None,
) -> Response:  # fmt: skip
    """`half`: what of the saving is not done yet."""
    rows = pipeline_form.rows_of(values)
    table = edited.stored.pipeline.table if edited.stored else _table_typed(values)
    there = edited.there
    return rendering.page(
        request, "pipeline_edit.html", status_code=422 if faults and status == 200 else status,
        team=edited.asking, tab="pipelines", pipeline=edited.pipeline, table=table,
        module=edited.stored.pipeline.module if edited.stored else values.get("module", ""),
        shown_name=edited.stored.pipeline.name if edited.stored else values.get("name", ""),
        values=values, faults=faults, half=half, rows=rows, there=there,
        wrong_rows=[n for n in rows if any(place.split(".")[0] == f"f{n}" for place in faults)],
        rules=[
            (
                name, pipeline_form.fields_for(there, name), _tree(values.get(name, "")),
                rule_form.tree_of(values, name, pipeline_form.types_of(there, name)),
            )
            for name in pipeline_form.RULES
        ],
        comparisons=rule_form.COMPARISONS, unusual=rule_form.UNUSUAL, kinds=rule_form.KINDS,
        types=list(ValueType), is_kunde=table is Table.KUNDE, is_vertrag=table is Table.VERTRAG,
        ways=list(Way), policies=list(Policy),
        blanks=list(Blank), converters=list(Converter), people=list(Person), tables=list(Table),
        name_length=PIPELINE_NAME_LENGTH,
    )  # fmt: skip


def _values_of(detail: PipelineDetail, there: PipelineFields) -> dict[str, str]:
    named = {"name": detail.pipeline.name, "version": detail.version}
    return named | pipeline_form.values_of(detail.definition, there)


def _table_typed(values: Values) -> Table:
    """The form brings along what its page says, for when nobody else does."""
    try:
        return Table(values.get("table", ""))
    except ValueError as error:
        raise Unavailable("Der Abgleich antwortet nicht.", remedy="Gleich noch einmal versuchen.") from error


async def _detail(asking: Asking, pipeline: PipelineId) -> PipelineDetail:
    return await asking.call(GET_PIPELINE, PipelineRequest(pipeline=pipeline))


async def _stored_and_fields(
    asking: Asking, pipeline: PipelineId
) -> tuple[PipelineDetail | Unavailable, PipelineFields]:
    """Both at once: while sync is silent, the fields are not waited for longer than the pipeline."""
    fields = asyncio.create_task(_fields(asking, pipeline))
    try:
        return await _detail(asking, pipeline), await fields
    except Unavailable as problem:
        return problem, fields.result() if fields.done() else PipelineFields()
    finally:
        fields.cancel()


async def _fields(asking: Asking, pipeline: PipelineId) -> PipelineFields:
    """None at all if nobody says: names are typed then."""
    try:
        return await asking.call(PIPELINE_FIELDS, PipelineRequest(pipeline=pipeline))
    except Problem:
        return PipelineFields()


def _tree(text: str) -> rule_text.Branch | None:
    """Of the rule as typed; none while it cannot be read, which is said beside it."""
    try:
        rule = rule_text.from_text(text)
    except ValueError:
        return None
    return rule_text.branch_of(rule) if rule else None


def _delete_page(request: Request, asking: Asking, detail: PipelineDetail, wrong: str | None) -> Response:
    return rendering.page(
        request, "pipeline_delete.html", status_code=422 if wrong else 200, team=asking, tab="pipelines",
        pipeline=detail.pipeline, wrong=wrong,
    )  # fmt: skip


async def _typed(request: Request) -> dict[str, str]:
    """All fields of the form, empty ones too."""
    form: Any = await request.form(max_files=0)
    return {name: value for name, value in form.items() if isinstance(value, str)}


def _unchecked(saved: PipelineDetail) -> str:
    if not saved.unchecked:
        return ""
    systems = " und ".join(system.value.capitalize() for system in saved.unchecked)
    return f" Welche Felder {systems} hat, war nicht zu erfahren: ob die Namen stimmen, ist nicht geprüft."


def _emptied(before: PipelineDetail, wanted: UpdatePipeline) -> str:
    """A rule without rows is easily made by mistake, and much travels by it."""
    emptied = pipeline_form.emptied_rules(before.definition, wanted.definition)
    return "".join(f" {_EMPTIED[name]}" for name in emptied)


_EMPTIED = {
    "ameise_rule": "Die Auswahlregel für Objekte aus Ameise ist jetzt leer: alle gehen nach Zoho.",
    "zoho_rule": "Die Auswahlregel für Zoho-Datensätze ist jetzt leer: alle gehen nach Ameise.",
}
