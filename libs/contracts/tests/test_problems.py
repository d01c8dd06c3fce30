"""A problem is the same on both sides of the wire."""

import pytest

from contracts import problems
from contracts.problems import Internal, Problem, ProblemDetails, problem_from

# Services add kinds of their own, which other tests of the same run may have imported.
KINDS = [kind for kind in Problem.__subclasses__() if kind.__module__ == problems.__name__]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.type)
def test_a_problem_arrives_as_it_was_raised(kind: type[Problem]) -> None:
    sent = kind("the Kunde 5000000001 is locked", remedy="try again").details("0190")
    arrived = problem_from(ProblemDetails.model_validate_json(sent.model_dump_json()))
    assert type(arrived) is kind
    assert (arrived.detail, arrived.remedy) == ("the Kunde 5000000001 is locked", "try again")
    assert (sent.status, sent.type, sent.title) == (kind.status, kind.type, kind.title)
    assert sent.correlationid == "0190"


def test_kinds_differ_in_name_and_status() -> None:
    assert len({kind.type for kind in KINDS}) == len(KINDS)
    assert len({kind.status for kind in KINDS}) == len(KINDS)


def test_a_kind_of_a_newer_release_becomes_internal_and_keeps_its_words() -> None:
    details = ProblemDetails(type="of-tomorrow", title="Neu", status=418, detail="words")
    arrived = problem_from(details)
    assert type(arrived) is Internal
    assert arrived.detail == "words"


def test_the_tree_in_the_docstring_names_every_kind() -> None:
    assert problems.__doc__ is not None
    for kind in KINDS:
        assert f"{kind.__name__} " in problems.__doc__
        assert str(kind.status) in problems.__doc__
