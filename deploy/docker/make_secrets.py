"""Generates the secrets of an installation with Docker Compose: `python3 deploy/docker/make_secrets.py`.

Needs Python alone. Writes one file per secret into `deploy/docker/secrets/`, which nobody else may enter.
The files themselves are readable: inside a container another user reads them, and bind mounts keep the mode.
Running again adds what a newer release needs and changes nothing that is there.
"""

import base64
import os
import secrets
import sys
from pathlib import Path

FOLDER = Path(__file__).parent / "secrets"
SERVICES = ("ingest", "sync", "auth", "gateway", "audit")
ROLES = {"database_url": "runtime", "database_owner_url": "owner", "database_all_tenants_url": "all_tenants"}


def generated() -> dict[str, str]:
    """File name → a new secret."""
    made = {
        "postgres_password": token(),
        # The vendors give these two: what is generated is good for the sandbox only.
        "auth_zoho_client_secret": token(),
        "auth_ameise_client_secret": token(),
        "gateway_admin_password": secrets.token_urlsafe(12),
        "gateway_session_secret": token(),
        "ingest_stop_list_key": token(),
        "sync_stop_list_key": token(),
    }
    for service in SERVICES:
        made[f"{service}_nats_password"] = token()
        # A Fernet key.
        made[f"{service}_secret_keys"] = base64.urlsafe_b64encode(os.urandom(32)).decode()
        for name, role in ROLES.items():
            made[f"{service}_{name}"] = f"postgresql://{service}_{role}:{token()}@postgres:5432/{service}"
    return made


def token() -> str:
    """192 random bits, one word that starts with a letter: nats-server reads a password as a configuration
    value and would take `12e3` for a number."""
    return "k" + secrets.token_hex(24)


def write(folder: Path) -> list[str]:
    """Write what is missing in `folder`; the names of the new files."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    missing = {name: secret for name, secret in generated().items() if not (folder / name).exists()}
    for name, secret in missing.items():
        unfinished = folder / f".{name}.new"
        unfinished.write_text(secret)
        unfinished.chmod(0o444)
        unfinished.replace(folder / name)
    return sorted(missing)


if __name__ == "__main__":
    new = write(FOLDER)
    sys.stdout.write(f"{FOLDER}: {len(new)} new secrets\n")
    sys.stdout.write(f"The web UI's user is admin, its password is in {FOLDER / 'gateway_admin_password'}\n")
