"""When two ways of writing a phone number are the same number."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.phones import canonical_phone


@pytest.mark.parametrize(
    "written",
    [
        "030 12345",
        "030/123-45",
        "(030) 12345",
        "+49 30 12345",
        "+49 (0)30 12345",
        "0049 30 12345",
        "030.12345",
    ],
)
def test_ways_of_writing_one_number(written: str) -> None:
    assert canonical_phone(written) == "+493012345"


@pytest.mark.parametrize(
    ("one", "other"), [("030 12345", "030 12346"), ("030 12345", "+43 30 12345"), ("030 1", "030 1 App. 2")]
)
def test_different_numbers_stay_different(one: str, other: str) -> None:
    assert canonical_phone(one) != canonical_phone(other)


@given(st.text(max_size=20))
def test_the_canonical_form_is_its_own(text: str) -> None:
    once = canonical_phone(text)
    assert canonical_phone(once) == once
