"""Settings come from the environment with the service's prefix, or from secret files."""

import traceback
from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import ValidationError

from chassis import settings as module
from chassis.settings import ServiceSettings, SettingsUnusable, read_settings, settings_config
from contracts.names import Service

REQUIRED = {
    "AUTH_NATS_URL": "nats://a:4222",
    "AUTH_DATABASE_URL": "postgresql://auth_runtime@db/auth",
    "AUTH_DATABASE_ALL_TENANTS_URL": "postgresql://auth_all_tenants@db/auth",
}


def auth_settings() -> type[ServiceSettings]:
    class AuthSettings(ServiceSettings):
        model_config = settings_config(Service.AUTH)
        service: ClassVar[Service] = Service.AUTH

    return AuthSettings


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in REQUIRED.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.mark.usefixtures("environment")
def test_values_come_from_the_environment_under_the_services_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTH_NATS_PASSWORD", "geheim")
    monkeypatch.setenv("SYNC_NATS_USER", "somebody else's")
    settings = auth_settings()()  # pyright: ignore[reportCallIssue]
    assert settings.nats_url == "nats://a:4222"
    assert settings.nats_user == ""
    assert settings.nats_password.get_secret_value() == "geheim"
    assert "geheim" not in repr(settings)


def test_a_secret_is_read_from_a_file_and_the_environment_goes_first(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environment.setattr(module, "SECRETS_DIR", tmp_path)
    (tmp_path / "auth_nats_password").write_text("from the file\n")
    (tmp_path / "auth_secret_keys").write_text("a,b")
    assert auth_settings()().nats_password.get_secret_value() == "from the file"  # pyright: ignore[reportCallIssue]
    assert auth_settings()().secret_keys.get_secret_value() == "a,b"  # pyright: ignore[reportCallIssue]
    environment.setenv("AUTH_NATS_PASSWORD", "from the environment")
    assert auth_settings()().nats_password.get_secret_value() == "from the environment"  # pyright: ignore[reportCallIssue]


def test_what_is_missing_or_wrong_is_named_as_its_variable(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("AUTH_DATABASE_URL")
    environment.setenv("AUTH_STREAM_REPLICAS", "viele")
    with pytest.raises(SettingsUnusable) as refused:
        read_settings(auth_settings())
    assert "AUTH_DATABASE_URL: Field required" in str(refused.value)
    assert "AUTH_STREAM_REPLICAS: " in str(refused.value)


@pytest.mark.parametrize("secret", ["AUTH_NATS_PASSWORD", "AUTH_SECRET_KEYS", "AUTH_DATABASE_OWNER_URL"])
def test_an_error_tells_no_secret(environment: pytest.MonkeyPatch, secret: str) -> None:
    environment.setenv(secret, "geheim")
    environment.delenv("AUTH_NATS_URL")
    with pytest.raises(SettingsUnusable) as refused:
        read_settings(auth_settings())
    assert "geheim" not in "".join(traceback.format_exception(refused.value))
    with pytest.raises(ValidationError) as raised:
        auth_settings()()  # pyright: ignore[reportCallIssue]
    assert "geheim" not in str(raised.value)


@pytest.mark.usefixtures("environment")
def test_settings_do_not_change_while_a_process_runs() -> None:
    settings = auth_settings()()  # pyright: ignore[reportCallIssue]
    with pytest.raises(ValidationError):
        settings.nats_url = "nats://other"
