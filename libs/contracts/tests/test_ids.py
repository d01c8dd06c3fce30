"""Nothing but an id gets into a subject."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from contracts import subjects
from contracts.ids import AmeiseKey, Kundennummer, PipelineId, TenantId, Uuid, Vertragsnummer, ZohoId, new_id
from contracts.names import Service, Table

ID_TYPES = (TenantId, PipelineId, ZohoId, AmeiseKey, Kundennummer, Vertragsnummer, Uuid)
ALLOWED = {
    TenantId: (st.from_regex(r"\A[a-z0-9][a-z0-9-]{0,31}\Z"), "abcdefghijklmnopqrstuvwxyz0123456789-", 32),
    PipelineId: (st.from_regex(r"\A[0-9]{1,9}\Z"), "0123456789", 9),
    ZohoId: (st.from_regex(r"\A[0-9]{1,20}\Z"), "0123456789", 20),
}
NO_IDS = (
    "",
    " ",
    "*",
    ">",
    "a.b",
    "1.2",
    "12\n",
    "\n12",
    "٣",
    "１２",
    "1" * 5000,
    "ä",
    "1\x00",
    "1 2",
    "-",
    "+1",
)


def models_of(kind: type[str]) -> type[BaseModel]:
    class Message(BaseModel):
        id: kind  # type: ignore[valid-type]

    return Message


@pytest.mark.parametrize("text", NO_IDS)
@pytest.mark.parametrize("kind", [TenantId, PipelineId, ZohoId, Kundennummer, Vertragsnummer, Uuid])
def test_what_is_no_id_is_refused_by_the_type_and_by_pydantic(kind: type[str], text: str) -> None:
    with pytest.raises(ValueError, match=f"is no {kind.__name__}"):
        kind(text)
    with pytest.raises(ValidationError):
        models_of(kind).model_validate({"id": text})


@pytest.mark.parametrize("text", ["", "*", ">", "a.b", "a b", "a\n", "ä", "x" * 65])
def test_a_key_of_ameise_cannot_be_part_of_a_subject_pattern(text: str) -> None:
    with pytest.raises(ValueError, match="AmeiseKey"):
        AmeiseKey(text)


@pytest.mark.parametrize("kind", list(ALLOWED))
@given(data=st.data())
def test_anything_outside_the_pattern_is_refused(kind: type[str], data: st.DataObject) -> None:
    _, alphabet, longest = ALLOWED[kind]
    text = data.draw(st.text() | st.text(alphabet=alphabet + "*>. \n") | st.text(alphabet, min_size=longest))
    inside = 0 < len(text) <= longest and set(text) <= set(alphabet) and not text.startswith("-")
    model = models_of(kind)
    if inside:
        assert model.model_validate({"id": kind(text)}).model_dump() == {"id": text}
    else:
        with pytest.raises(ValueError, match="is no"):
            kind(text)
        with pytest.raises(ValidationError):
            model.model_validate({"id": text})


@given(tenant=ALLOWED[TenantId][0], pipeline=ALLOWED[PipelineId][0], zoho_id=ALLOWED[ZohoId][0])
@example(tenant="0", pipeline="000000000", zoho_id="9" * 20)
def test_ids_make_subjects_of_as_many_tokens_as_the_scheme_has(
    tenant: str, pipeline: str, zoho_id: str
) -> None:
    t, p, z = TenantId(tenant), PipelineId(pipeline), ZohoId(zoho_id)
    made = {
        subjects.to_ameise(t, p, z): 5,
        subjects.to_zoho(t, Table.KUNDE): 4,
        subjects.event(t, Service.SYNC, "adopted"): 4,
        subjects.rpc(Service.SYNC, "list_parked"): 3,
    }
    for subject, tokens in made.items():
        assert len(subject.split(".")) == tokens
        assert not set(subject) & set("*> \r\n\t")


@pytest.mark.parametrize("value", [1, 1.0, None, b"1", ["1"], True])
def test_an_id_is_text_and_nothing_is_turned_into_one(value: object) -> None:
    with pytest.raises(ValidationError):
        models_of(ZohoId).model_validate({"id": value})


def test_a_refused_id_is_not_repeated_in_full() -> None:
    with pytest.raises(ValueError, match="is no ZohoId") as refused:
        ZohoId("x" * 5000)
    assert len(str(refused.value)) < 120


@pytest.mark.parametrize("kind", ID_TYPES)
def test_the_schema_says_what_is_allowed(kind: type[str]) -> None:
    schema = models_of(kind).model_json_schema()["properties"]["id"]
    assert schema["type"] == "string"
    assert schema["pattern"].startswith("^")
    assert schema["pattern"].endswith("$")


def test_new_ids_sort_by_time_and_are_uuids_of_version_7() -> None:
    ids = [new_id() for _ in range(100)]
    assert ids == sorted(set(ids))
    assert all(i[14] == "7" for i in ids)
