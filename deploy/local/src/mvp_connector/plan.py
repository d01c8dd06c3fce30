"""What runs in an installation: settings, ports and secrets in, processes out. Touches nothing."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from contracts.names import Service

from . import parts
from .process import HttpReady, Launch, Tier
from .secrets import Secrets

INNER_PORTS = (
    "nats",
    "nats_monitor",
    "postgres",
    "opensearch",
    "sandbox",
    "ftp",
    *(f"{service}_health" for service in Service if service is not Service.GATEWAY),
)
"""Names of the ports that are chosen by us. The gateway's is the user's, its health is on the same one."""

OUTSIDE_VARIABLES = (
    "AUTH_ZOHO_ACCOUNTS_URL",
    "AUTH_ZOHO_CLIENT_ID",
    "AUTH_ZOHO_CLIENT_SECRET",
    "AUTH_AMEISE_ISSUER_URL",
    "AUTH_AMEISE_CLIENT_ID",
    "AUTH_AMEISE_CLIENT_SECRET",
    "SYNC_AMEISE_REST_URL",
)
"""What an installation without the sandbox must say in its environment."""

_SANDBOX_CLIENT_ID = "mvp-connector-local"


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user chose. `environment` is the one that the command was started in."""

    data_dir: Path
    host: str = "127.0.0.1"
    port: int = 8080
    with_sandbox: bool = True
    log_format: str = "console"
    environment: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def reachable_host(self) -> str:
        """An address that reaches what listens on `host`, from this machine."""
        return "127.0.0.1" if self.host == "0.0.0.0" else self.host  # noqa: S104

    @property
    def local_url(self) -> str:
        """Where this machine finds the gateway."""
        return f"http://{self.reachable_host}:{self.port}"

    @property
    def public_url(self) -> str:
        """Where a browser finds the gateway."""
        return self.environment.get("GATEWAY_PUBLIC_URL") or self.local_url


@dataclass(frozen=True, slots=True)
class Plan:
    """The processes of an installation, by what they wait for."""

    nats: Launch
    postgres: Launch
    opensearch: Launch
    sandbox: Launch | None
    services: tuple[Launch, ...]

    @property
    def launches(self) -> tuple[Launch, ...]:
        """All of them."""
        sandbox = () if self.sandbox is None else (self.sandbox,)
        return (self.nats, self.postgres, self.opensearch, *sandbox, *self.services)


def missing_outside_variables(settings: Settings) -> list[str]:
    """Which of `OUTSIDE_VARIABLES` an installation without the sandbox lacks."""
    if settings.with_sandbox:
        return []
    return [name for name in OUTSIDE_VARIABLES if not settings.environment.get(name)]


def make_plan(settings: Settings, ports: Mapping[str, int], secrets: Secrets) -> Plan:
    """All processes with their commands, environments and readiness."""
    return Plan(
        nats=parts.nats_server(
            settings.data_dir / "nats",
            monitor_port=ports["nats_monitor"],
            passwords={f"NATS_PASSWORD_{service.upper()}": secrets.of(service).nats for service in Service},
        ),
        postgres=parts.postgres(
            settings.data_dir / "postgres",
            port=ports["postgres"],
            superuser_password=secrets.postgres_superuser,
        ),
        opensearch=parts.opensearch(port=ports["opensearch"]),
        sandbox=_sandbox(settings, ports) if settings.with_sandbox else None,
        services=tuple(_service(service, settings, ports, secrets) for service in Service),
    )


def sandbox_url(ports: Mapping[str, int]) -> str:
    """Base URL of the stand-ins."""
    return f"http://127.0.0.1:{ports['sandbox']}"


def ingest_ftp_port(settings: Settings, ports: Mapping[str, int]) -> int:
    """Where blau direkt's sender pushes to: the user's choice, else an inner port."""
    return int(settings.environment.get("INGEST_FTP_PORT") or ports["ftp"])


_NICENESS = {Service.SYNC: 5, Service.INGEST: 5, Service.AUDIT: parts.INDEXING_NICENESS}
"""On a busy machine Zoho's webhooks and people who wait go first: what was accepted is done right after."""


def _sandbox(settings: Settings, ports: Mapping[str, int]) -> Launch:
    return Launch(
        name="sandbox",
        tier=Tier.SANDBOX,
        command=(
            *(sys.executable, "-m", "sandbox", "run"),
            *("--port", str(ports["sandbox"])),
            *("--data-dir", str(settings.data_dir / "sandbox")),
        ),
        environment={"PYTHONUNBUFFERED": "1"},
        ready=HttpReady(f"{sandbox_url(ports)}/health/ready"),
        grace=parts.GRACE,
    )


def _service(service: Service, settings: Settings, ports: Mapping[str, int], secrets: Secrets) -> Launch:
    own = {
        Service.INGEST: _ingest,
        Service.SYNC: _sync,
        Service.AUTH: _auth,
        Service.GATEWAY: _gateway,
        Service.AUDIT: _audit,
    }[service]
    common = _common(service, settings, ports, secrets)
    prefixed = {f"{service.upper()}_{name}": value for name, value in common.items()}
    if service is Service.GATEWAY:
        health = f"{settings.local_url}/health/ready"
    else:
        health = f"http://127.0.0.1:{ports[f'{service}_health']}/health/ready"
    return Launch(
        name=service.value,
        tier=Tier.SERVICE,
        command=(sys.executable, "-m", service.value, "run"),
        environment=prefixed | own(settings, ports, secrets) | {"PYTHONUNBUFFERED": "1"},
        ready=HttpReady(health),
        niceness=_NICENESS.get(service, 0),
    )


def _common(
    service: Service, settings: Settings, ports: Mapping[str, int], secrets: Secrets
) -> dict[str, str]:
    """What every service is told, without its prefix."""
    own = secrets.of(service)

    def database(role: str, password: str) -> str:
        return f"postgresql://{service}_{role}:{password}@127.0.0.1:{ports['postgres']}/{service}"

    told = {
        "NATS_URL": f"nats://127.0.0.1:{ports['nats']}",
        "NATS_USER": service.value,
        "NATS_PASSWORD": own.nats,
        "NATS_MONITORING_URL": f"http://127.0.0.1:{ports['nats_monitor']}",
        "DATABASE_URL": database("runtime", own.database_runtime),
        "DATABASE_OWNER_URL": database("owner", own.database_owner),
        "DATABASE_ALL_TENANTS_URL": database("all_tenants", own.database_all_tenants),
        "LOG_FORMAT": settings.log_format,
        "SECRET_KEYS": own.encryption_key,
    }
    if service is not Service.GATEWAY:
        told |= {"HEALTH_HOST": "127.0.0.1", "HEALTH_PORT": str(ports[f"{service}_health"])}
    return told


def _ingest(settings: Settings, ports: Mapping[str, int], secrets: Secrets) -> dict[str, str]:
    # INGEST_FTP_PASSIVE_PORTS passes through: only an installation behind a firewall needs a fixed range.
    told = {
        "INGEST_SPOOL_DIR": str(settings.data_dir / "spool"),
        "INGEST_FTP_HOST": settings.environment.get("INGEST_FTP_HOST") or settings.host,
        "INGEST_FTP_PORT": str(ingest_ftp_port(settings, ports)),
        "INGEST_STOP_LIST_KEY": secrets.stop_list_key,
        # One process per data directory: after a crash it goes on under its own leases at once.
        "INGEST_REPLICA": "local",
    }
    if settings.with_sandbox:
        # The stand-in exports the state of now and pushes without pauses.
        told |= {"INGEST_AS_OF_LAG": "0", "INGEST_QUIET_SECONDS": "1"}
    return told


def _sync(settings: Settings, ports: Mapping[str, int], secrets: Secrets) -> dict[str, str]:
    told = {
        "SYNC_STOP_LIST_DIR": str(settings.data_dir / "sync-stop-list"),
        "SYNC_STOP_LIST_KEY": secrets.sync_stop_list_key,
    }
    if settings.with_sandbox:
        # Zoho's API needs no URL: its token answer names the `api_domain`.
        told["SYNC_AMEISE_REST_URL"] = f"{sandbox_url(ports)}/ameise/service/bd/employee/1.0/rest"
    return told


def _auth(settings: Settings, ports: Mapping[str, int], secrets: Secrets) -> dict[str, str]:
    told = {"AUTH_REDIRECT_URL": f"{settings.public_url}/oauth/callback"}
    if settings.with_sandbox:
        told |= {
            "AUTH_ZOHO_ACCOUNTS_URL": f"{sandbox_url(ports)}/zoho",
            "AUTH_ZOHO_CLIENT_ID": _SANDBOX_CLIENT_ID,
            "AUTH_ZOHO_CLIENT_SECRET": secrets.sandbox_zoho_client_secret,
            "AUTH_AMEISE_ISSUER_URL": f"{sandbox_url(ports)}/ameise",
            "AUTH_AMEISE_CLIENT_ID": _SANDBOX_CLIENT_ID,
            "AUTH_AMEISE_CLIENT_SECRET": secrets.sandbox_ameise_client_secret,
        }
    return told


def _gateway(settings: Settings, _: Mapping[str, int], secrets: Secrets) -> dict[str, str]:
    return {
        "GATEWAY_HOST": settings.host,
        "GATEWAY_PORT": str(settings.port),
        "GATEWAY_PUBLIC_URL": settings.public_url,
        "GATEWAY_ADMIN_PASSWORD": secrets.admin_password,
        "GATEWAY_SESSION_SECRET": secrets.session_secret,
    }


def _audit(_: Settings, ports: Mapping[str, int], __: Secrets) -> dict[str, str]:
    return {
        "AUDIT_OPENSEARCH_URL": f"http://127.0.0.1:{ports['opensearch']}",
        "AUDIT_EMBEDDED": "true",
    }
