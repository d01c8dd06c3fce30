"""What the judge lets pass, and what he does not."""

import pytest

from soak.judging import AMEISE, ASK, ZOHO, Blind, Edit, Fate, FieldStory, Overruling, Seen, fate_of, judge

IN_ZOHO = Edit(2, whose="person 1", field="ort", place="77")
IN_AMEISE = Edit(2, whose="person 1", field="ort", place=AMEISE)


def story(ameise: list[int], zoho: list[int], **more: object) -> FieldStory:
    """One value a second on each side, from second 1 on."""

    def seen(numbers: list[int]) -> list[Seen]:
        return [Seen(float(at), number) for at, number in enumerate(numbers, 1)]

    return FieldStory(seen(ameise), seen(zoho), **more)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("edit", "known", "fate"),
    [
        (IN_ZOHO, story([1, 2], [1, 2]), Fate.APPLIED),
        (IN_ZOHO, story([1, 3], [1, 2, 3]), Fate.SUPERSEDED),
        (IN_ZOHO, story([1], [1, 2]), Fate.LOST),
        (IN_AMEISE, story([1, 2], [1]), Fate.LOST),
        (IN_ZOHO, story([1], [0, 2, 1], conflicts=[3.1]), Fate.OVERRULED),
        # Told before the edit was made; and Ameise's edits are never overruled.
        (IN_ZOHO, story([1], [0, 2, 1], conflicts=[1.9]), Fate.LOST),
        (IN_AMEISE, story([0, 2, 1], [1], conflicts=[9.0]), Fate.LOST),
        # Where Zoho wins it is the other way round, and where a person is asked, neither is overruled.
        (IN_AMEISE, story([0, 2, 1], [1], conflicts=[2.1], policy=ZOHO), Fate.OVERRULED),
        (IN_ZOHO, story([1], [0, 2, 1], conflicts=[3.1], policy=ZOHO), Fate.LOST),
        (IN_ZOHO, story([1], [0, 2, 1], conflicts=[3.1], policy=ASK), Fate.LOST),
        (IN_ZOHO, story([1], [1, 2], policy=ASK, asked=True), Fate.ASKED),
        (IN_ZOHO, story([1], [0, 2, 1], policy=ASK, asked=True), Fate.LOST),
        # A decision is about what was shown, not about what came after.
        (IN_ZOHO, story([1], [0, 2, 1], policy=ASK, decided=[Overruling(ZOHO, 2)]), Fate.DECIDED),
        (IN_ZOHO, story([1], [0, 2, 1], policy=ASK, decided=[Overruling(ZOHO, 1)]), Fate.LOST),
        (IN_ZOHO, story([1], [0, 2, 1], policy=ASK, decided=[Overruling(AMEISE, 2)]), Fate.LOST),
        (IN_AMEISE, story([1, 2], [1], left_out=True), Fate.EXCLUDED),
        (IN_ZOHO, story([1], [1, 2], left_out=True), Fate.LOST),
        (IN_ZOHO, story([1], [1, 2], record_left_out=True), Fate.EXCLUDED),
        (IN_AMEISE, story([1, 2], [1], record_left_out=True), Fate.LOST),
        (IN_ZOHO, story([1], [1, 2], parked_to_ameise=True), Fate.PARKED),
        (IN_ZOHO, story([1], [1, 2], parked_to_zoho=True), Fate.LOST),
        (IN_AMEISE, story([1, 2], [1], parked_to_zoho=True), Fate.PARKED),
        (IN_AMEISE, story([1, 2], [1], parked_to_ameise=True), Fate.LOST),
        (IN_AMEISE, story([1, 2], [1], vanished=True), Fate.VANISHED),
        (IN_ZOHO, story([1], [1, 2], vanished=True), Fate.LOST),
        (IN_ZOHO, story([1], [1, 2], deleted=True), Fate.DELETED),
        (IN_ZOHO, story([1, 2], [1, 2, 0], removed=True), Fate.REMOVED),
        (IN_ZOHO, story([1], [1, 2], removed=True), Fate.LOST),
        # Made between our look and the end of our deleting, or when it was long over.
        (IN_ZOHO, story([1], [1, 2], removed=True, deletions=[2.2]), Fate.REMOVED),
        (IN_ZOHO, story([1], [1, 2], removed=True, deletions=[1.9, 3.2]), Fate.LOST),
        (IN_ZOHO, story([1], [1, 2, 1], blind_in_zoho=[Blind(1.5, 2.5, 2.9, 3.1)]), Fate.OVERLAPPED),
        # Made after the time that the condition does not see; and the blindness of another write.
        (IN_ZOHO, story([1], [1, 2, 1], blind_in_zoho=[Blind(1.5, 1.9, 2.9, 3.1)]), Fate.LOST),
        (IN_ZOHO, story([1], [1, 2, 1], blind_in_zoho=[Blind(1.5, 2.5, 3.9, 4.1)]), Fate.LOST),
    ],
)
def test_the_fate_of_an_edit(edit: Edit, known: FieldStory, fate: Fate) -> None:
    assert fate_of(edit, known) is fate


def test_an_older_value_that_wins_without_a_word_is_wrong_even_if_both_sides_agree_at_the_end() -> None:
    edits = [
        Edit(1, "person 1", "ort", AMEISE),
        Edit(2, "person 1", "ort", "77"),
        Edit(3, "person 1", "ort", "77"),
    ]
    back = story([1, 3], [1, 2, 1, 3])
    about = {edit.about: back for edit in edits}
    assert [word for word in judge(edits, about).wrong if "went back to" in word]
    told = story([1, 3], [1, 2, 1, 3], conflicts=[3.1])
    assert judge(edits, {edit.about: told for edit in edits}).wrong == []


def test_sides_that_differ_are_wrong_unless_an_edit_of_theirs_is_excused() -> None:
    edit = Edit(2, "person 1", "ort", "77")
    [lost, differ] = judge([edit], {edit.about: story([1], [1, 2])}).wrong
    assert "is lost" in lost
    assert "1 in Ameise, 2 in Zoho" in differ
    assert judge([edit], {edit.about: story([1], [1, 2], parked_to_ameise=True)}).wrong == []


def test_an_excused_edit_in_ameise_excuses_the_difference_for_earlier_edits_in_zoho() -> None:
    edits = [
        Edit(2, "person 1", "ort", "77"),
        Edit(3, "person 1", "ort", "77"),
        Edit(4, "person 1", "ort", AMEISE),
    ]
    stories = {edit.about: story([1, 3, 4], [1, 2, 3], left_out=True) for edit in edits}
    assert judge(edits, stories).wrong == []
    superseded = {edit.about: story([1, 4], [1, 2, 3], parked_to_zoho=True) for edit in (edits[0], edits[2])}
    assert judge([edits[0], edits[2]], superseded).wrong == []


def test_an_excused_edit_in_zoho_explains_the_difference_for_a_decided_one_in_ameise() -> None:
    edits = [Edit(2, "person 1", "ort", AMEISE), Edit(3, "person 1", "ort", "77")]
    left_out = story([1, 2], [1, 3], policy=ASK, decided=[Overruling(AMEISE, 2)], record_left_out=True)
    assert judge(edits, {edit.about: left_out for edit in edits}).wrong == []
    of_another_record = story([1, 2], [1], policy=ASK, decided=[Overruling(AMEISE, 2)])
    stories = {edits[0].about: of_another_record, edits[1].about: left_out}
    assert judge(edits, stories).wrong == ["person 1, ort: 2 in Ameise, 1 in Zoho"]


def test_on_the_side_that_wins_no_older_value_comes_back_whatever_is_told() -> None:
    edits = [Edit(number, "person 1", "titel", "77") for number in (1, 2)]
    decided = story([1], [1, 2, 1], policy=ASK, decided=[Overruling(ZOHO, 2)])
    assert judge(edits, {edit.about: decided for edit in edits}).wrong == []
    for policy, wrong in ((AMEISE, 0), (ZOHO, 1), (ASK, 1)):
        back = story([1], [1, 2, 1], conflicts=[3.1], policy=policy)
        found = judge(edits, {edit.about: back for edit in edits}).wrong
        assert len([word for word in found if "went back to" in word]) == wrong
