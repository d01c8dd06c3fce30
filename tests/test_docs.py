"""The documents: links lead somewhere, generated pages are fresh, and nothing of one machine is in them."""

import importlib.util
import inspect
import re
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

from contracts.events import EVENT_TYPES
from gateway.wording import EVENTS, erased_words
from ingest import forgetting
from sync import people_store
from sync.parked_words import Kind
from sync.templates import BUILT_IN

ROOT = Path(__file__).parents[1]
HANDBUCH = ROOT / "docs" / "handbuch"
TEMPLATES = ROOT / "services" / "gateway" / "src" / "gateway" / "templates"

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"```.*?```|`[^`]*`", re.DOTALL)
# Written so that this file does not find itself.
_OF_A_MACHINE = re.compile(
    "|".join(
        [
            r"/" + r"work/",
            r"/home/" + r"\w+/",
            r"/Us" + r"ers/\w+/",
            "artifact" + "ory",
            r"--index" + r"-url\s+http",
        ]
    )
)


if not (ROOT / ".git").exists():
    pytest.skip("git knows which files are ours", allow_module_level=True)


def tracked_files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    return [path for name in listed.decode().split("\0") if name and (path := ROOT / name).is_file()]


def markdown() -> list[Path]:
    return [path for path in tracked_files() if path.suffix == ".md"]


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", markdown(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    broken: list[str] = []
    for link in _LINK.findall(_CODE.sub("", page.read_text())):
        name, _, anchor = link.partition("#")
        if "://" in link or link.startswith("mailto:"):
            continue
        target = (page.parent / name) if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert not broken


def test_no_file_names_a_machine_or_a_registry() -> None:
    found: list[str] = []
    for path in tracked_files():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(ROOT)}: {match[0]}" for match in _OF_A_MACHINE.finditer(text)]
    assert not found


def test_every_package_says_what_it_is() -> None:
    packages = [path.parent for path in ROOT.glob("*/*/pyproject.toml")]
    assert len(packages) > 10
    silent = [p.name for p in packages if len((p / "README.md").read_text().splitlines()) < 5]
    assert not silent


def test_the_settings_page_is_fresh() -> None:
    made = _settings_page()
    assert made.PAGE.read_text() == made.page(), "renew it: python docs/settings.py"


def _settings_page() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_settings", ROOT / "docs" / "settings.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_handbook_explains_every_event_by_its_label() -> None:
    page = (HANDBUCH / "aktivitaetslog.md").read_text()
    assert [kind.event_name for kind in EVENT_TYPES if f"| {EVENTS[kind.event_name]} |" not in page] == []


def test_the_handbook_explains_every_reason_for_parking() -> None:
    page = (HANDBUCH / "geparkte-arbeit.md").read_text()
    assert [kind.value for kind in Kind if f"## „{kind}“" not in page] == []


def test_the_handbook_shows_every_page() -> None:
    page = (HANDBUCH / "oberflaeche.md").read_text()
    pages = {template.stem for template in TEMPLATES.glob("*.html")} - {"base", "macros"}
    assert sorted(name for name in pages if f"`{name}`" not in page) == []


ALWAYS_READ = {"Modified_Time", "Modified_By", "Created_Time"}
"""Every module of Zoho has them."""


def test_the_handbook_names_every_module_and_field_that_the_built_in_pipelines_expect() -> None:
    page = (HANDBUCH / "erste-schritte.md").read_text()
    names = {name for built_in in BUILT_IN for name in (built_in.module, *built_in.definition.zoho_fields)}
    assert sorted(name for name in names - ALWAYS_READ if f"`{name}`" not in page) == []


def test_the_receipt_of_a_forgotten_kunde_names_every_place_in_german() -> None:
    source = inspect.getsource(people_store.erase) + inspect.getsource(forgetting)
    places = set(re.findall(r'"([a-z_]+)": (?:await|original)|erased\["([a-z]+)"\]', source))
    names = {of_sync or of_ingest for of_sync, of_ingest in places}
    assert {"link", "intent", "original_rows", "history"} <= names
    assert sorted(name for name in names if erased_words(name) == name) == []


def test_operations_names_every_metric() -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    metric = re.compile(r'(?:Counter|Gauge|Histogram)\(\s*"([a-z_]+)"')
    sources = [path.read_text() for path in ROOT.glob("*/*/src/**/*.py")]
    assert sorted(name for text in sources for name in metric.findall(text) if f"`{name}`" not in page) == []


def test_the_architecture_names_every_rpc_and_service_that_exists() -> None:
    from contracts.names import Service
    from contracts.rpc.catalog import ALL

    text = (ROOT / "docs" / "architecture.md").read_text()
    names = [f"`{rpc.service}.{rpc.name}`" for rpc in ALL] + [f"`{service}`" for service in Service]
    assert [name for name in names if name not in text] == []
