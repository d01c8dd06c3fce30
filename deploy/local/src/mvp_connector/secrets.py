"""The secrets of one installation, generated on its first run.

They live in one file of mode 0600 in the data directory. A release that needs one more secret adds
it to an existing file; nothing that is there ever changes.
"""

import os
import secrets as random
from pathlib import Path

from cryptography.fernet import Fernet
from pydantic import BaseModel, ConfigDict, Field

from contracts.names import Service


def _token() -> str:
    """192 random bits. nats-server reads a password from the environment as a configuration value, so it
    must not look like a number, a size or a duration: it starts with a letter and is one word."""
    return "k" + random.token_hex(24)


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow")  # keeps what a later release has put there


class ServiceSecrets(_Kept):
    """What one service is given: its logins and the key of what it encrypts at rest."""

    nats: str = Field(default_factory=_token)
    database_owner: str = Field(default_factory=_token)
    database_runtime: str = Field(default_factory=_token)
    database_all_tenants: str = Field(default_factory=_token)
    encryption_key: str = Field(default_factory=lambda: Fernet.generate_key().decode())


class Secrets(_Kept):
    """All secrets of an installation."""

    services: dict[Service, ServiceSecrets] = Field(default_factory=dict[Service, ServiceSecrets])
    postgres_superuser: str = Field(default_factory=_token)
    admin_password: str = Field(default_factory=lambda: random.token_urlsafe(12))
    session_secret: str = Field(default_factory=_token)
    stop_list_key: str = Field(default_factory=_token)
    sync_stop_list_key: str = Field(default_factory=_token)
    sandbox_zoho_client_secret: str = Field(default_factory=_token)
    sandbox_ameise_client_secret: str = Field(default_factory=_token)

    def of(self, service: Service) -> ServiceSecrets:
        """The secrets of one service."""
        return self.services[service]


def load_or_generate(path: Path) -> Secrets:
    """The secrets in `path`; whatever is missing there is generated and kept."""
    kept = Secrets.model_validate_json(path.read_bytes()) if path.exists() else Secrets()
    services = {service: kept.services.get(service) or ServiceSecrets() for service in Service}
    complete = kept.model_copy(update={"services": services})
    _write_private(path, complete.model_dump_json(indent=2))
    return complete


def _write_private(path: Path, text: str) -> None:
    """Replace `path` as a whole, never readable by others, not even for a moment."""
    unfinished = path.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
