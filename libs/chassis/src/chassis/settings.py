"""The settings that every service has. A service's own class adds its own and sets the prefix.

Values come from the environment (`INGEST_NATS_URL`, ...) or from a file of the same name, in lower case,
in `/run/secrets` (`ingest_nats_password`). An empty variable counts as unset: that is how Compose passes on
what nobody set. Nothing else reads the environment.
"""

from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from contracts.names import Service

SECRETS_DIR = Path("/run/secrets")


class ServiceSettings(BaseSettings):
    """Settings of one process. Subclasses set `service` and `model_config = settings_config(service)`."""

    service: ClassVar[Service]

    nats_url: str = Field(description="one or more server URLs, comma separated")
    nats_user: str = ""
    nats_password: SecretStr = SecretStr("")
    nats_monitoring_url: str | None = Field(
        default=None, description="http URL of the server's monitoring port, to check sync_interval"
    )
    stream_replicas: int = Field(default=1, ge=1, le=5, description="3 in a cluster of 3")
    stream_check: timedelta = Field(
        default=timedelta(seconds=10),
        description="how often a stream or consumer that vanished is noticed and made anew",
    )

    database_url: SecretStr = Field(description="PostgreSQL as the runtime role (row-level security holds)")
    database_owner_url: SecretStr | None = Field(
        default=None, description="PostgreSQL as the owner, who migrates; unset: `migrate` ran before"
    )
    database_all_tenants_url: SecretStr = Field(
        description="PostgreSQL as the role of relay and retention, which sees all tenants"
    )
    database_pool_size: int = Field(default=8, ge=1, description="connections per process as runtime role")

    health_host: str = "127.0.0.1"
    health_port: int = 0
    log_format: Literal["console", "json"] = "json"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    secret_keys: SecretStr = Field(
        default=SecretStr(""), description="Fernet keys, comma separated: the first encrypts, all decrypt"
    )
    shutdown: timedelta = Field(default=timedelta(seconds=8), description="how long work in hand may take")
    event_retention: timedelta = Field(
        default=timedelta(days=14), description="how long published events stay in the outbox"
    )


def settings_config(service: Service, **more: Any) -> SettingsConfigDict:
    """The settings of one service: its prefix, and secrets as files where the directory exists."""
    return SettingsConfigDict(
        env_prefix=f"{service.upper()}_",
        env_ignore_empty=True,
        secrets_dir=SECRETS_DIR if SECRETS_DIR.is_dir() else None,
        frozen=True,
        extra="ignore",
        # Else an error quotes what it was given: all settings, secrets among them.
        hide_input_in_errors=True,
        **more,
    )


class SettingsUnusable(ValueError):  # noqa: N818
    """Settings are missing or are not what they must be. Names their variables and never their values."""


S = TypeVar("S", bound=ServiceSettings)


def read_settings(settings: type[S]) -> S:
    """The settings that this process was given. Raises SettingsUnusable."""
    try:
        return settings()  # pyright: ignore[reportCallIssue] (from the environment)
    except ValidationError as error:
        prefix = settings.model_config.get("env_prefix", "")
        told = [
            f"{''.join((prefix, *map(str, found['loc'][:1]))).upper()}: {found['msg']}"
            if found["loc"]
            else found["msg"]
            for found in error.errors(include_input=False)
        ]
        raise SettingsUnusable("; ".join(told)) from None
