"""Links that a person clicks."""

import pytest

from ameise import DeepLinks


def test_links_lead_to_kunde_and_vertrag() -> None:
    links = DeepLinks()
    assert links.kunde("5001234567") == (
        "https://www.maklerinfo.biz/maklerportal/?show=kunde&kunde=5001234567"
    )
    assert links.vertrag("1119876") == (
        "https://www.maklerinfo.biz/maklerportal/?show=vertrag&vertrag=1119876"
    )


def test_the_installation_is_configurable() -> None:
    assert DeepLinks("https://ameise.app/maklerportal/").kunde("1").startswith("https://ameise.app/")


def test_a_number_cannot_smuggle_another_parameter() -> None:
    with pytest.raises(ValueError, match="URL path"):
        DeepLinks().kunde("1&show=vertrag")
