"""The command line that every service has."""

from typing import ClassVar

import pytest
from typer.testing import CliRunner

from chassis.cli import service_cli
from chassis.settings import ServiceSettings, settings_config
from contracts.names import Service


class SyncSettings(ServiceSettings):
    model_config = settings_config(Service.SYNC)
    service: ClassVar[Service] = Service.SYNC


@pytest.mark.parametrize("command", ["run", "migrate"])
def test_an_operator_reads_which_variables_are_missing(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNC_NATS_URL", "nats://a:4222")

    def never(_: ServiceSettings) -> None:
        raise AssertionError

    result = CliRunner().invoke(service_cli(SyncSettings, never), [command])  # pyright: ignore[reportArgumentType]
    assert result.exit_code == 2
    assert "SYNC_DATABASE_URL: Field required" in result.stderr
    assert "SYNC_NATS_URL" not in result.stderr
    assert "Traceback" not in result.output
