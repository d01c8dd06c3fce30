"""The secrets of an installation with Docker."""

from pathlib import Path
from types import ModuleType

from cryptography.fernet import Fernet

from contracts.names import Service


def test_the_folder_is_closed_and_its_files_can_be_read_in_a_container(secrets_folder: Path) -> None:
    assert secrets_folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in secrets_folder.iterdir()} == {0o444}


def test_running_again_changes_nothing_and_adds_what_is_missing(
    make_secrets: ModuleType, secrets_folder: Path
) -> None:
    before = {path.name: path.read_text() for path in secrets_folder.iterdir()}
    assert make_secrets.write(secrets_folder) == []
    (secrets_folder / "sync_nats_password").unlink()
    assert make_secrets.write(secrets_folder) == ["sync_nats_password"]
    after = {path.name: path.read_text() for path in secrets_folder.iterdir()}
    assert after.pop("sync_nats_password") != before.pop("sync_nats_password")
    assert after == before


def test_every_service_has_a_key_that_encrypts(make_secrets: ModuleType, secrets_folder: Path) -> None:
    assert set(make_secrets.SERVICES) == set(Service)
    for service in Service:
        Fernet((secrets_folder / f"{service}_secret_keys").read_text())


def test_no_two_secrets_are_alike(secrets_folder: Path) -> None:
    secrets = [path.read_text() for path in secrets_folder.iterdir()]
    assert len(set(secrets)) == len(secrets)
