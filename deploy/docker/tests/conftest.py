"""The files of an installation with Docker, read."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def compose() -> dict[str, Any]:
    """docker-compose.yml with the defaults of its variables filled in."""
    text = (ROOT / "docker-compose.yml").read_text()
    return yaml.safe_load(re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text))


@pytest.fixture(scope="session")
def dockerfile() -> str:
    """The Dockerfile with its continued lines joined."""
    return (ROOT / "deploy/docker/Dockerfile").read_text().replace("\\\n", "")


@pytest.fixture(scope="session")
def make_secrets() -> ModuleType:
    """The script, as a module."""
    spec = importlib.util.spec_from_file_location("make_secrets", ROOT / "deploy/docker/make_secrets.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def secrets_folder(make_secrets: ModuleType, tmp_path: Path) -> Path:
    """The secrets of a new installation."""
    folder = tmp_path / "secrets"
    make_secrets.write(folder)
    return folder
