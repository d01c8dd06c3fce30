"""Secrets are generated once, kept, and readable by nobody else."""

import json
import stat
from pathlib import Path

from cryptography.fernet import Fernet

from contracts.names import Service
from mvp_connector.secrets import load_or_generate


def test_only_the_owner_may_read_the_file(tmp_path: Path) -> None:
    load_or_generate(tmp_path / "secrets.json")
    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600


def test_the_second_run_finds_the_secrets_of_the_first(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    assert load_or_generate(path) == load_or_generate(path)


def test_no_two_secrets_are_alike(tmp_path: Path) -> None:
    secrets = load_or_generate(tmp_path / "secrets.json")
    values = [value for service in Service for value in secrets.of(service).model_dump().values()]
    values += [value for value in secrets.model_dump().values() if isinstance(value, str)]
    assert len(values) == len(set(values))


def test_encryption_keys_are_fernet_keys(tmp_path: Path) -> None:
    secrets = load_or_generate(tmp_path / "secrets.json")
    for service in Service:
        Fernet(secrets.of(service).encryption_key)


def test_a_release_with_one_more_secret_adds_it_and_keeps_the_others(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    first = load_or_generate(path)
    older = json.loads(path.read_text())
    del older["session_secret"]
    del older["services"]["audit"]
    older["of_a_later_release"] = "kept"
    path.write_text(json.dumps(older))
    second = load_or_generate(path)
    assert second.session_secret
    assert second.of(Service.AUDIT)
    assert second.of(Service.SYNC) == first.of(Service.SYNC)
    assert json.loads(path.read_text())["of_a_later_release"] == "kept"
