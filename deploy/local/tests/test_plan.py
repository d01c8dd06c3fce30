"""The plan is a pure function of settings, ports and secrets, and tells every service what it needs."""

from pathlib import Path
from typing import Any

import pytest

from contracts.names import Service
from mvp_connector.plan import INNER_PORTS, OUTSIDE_VARIABLES, Settings, make_plan, missing_outside_variables
from mvp_connector.process import HttpReady, Launch, Tier
from mvp_connector.secrets import Secrets, ServiceSecrets

PORTS = {name: 20_000 + number for number, name in enumerate(INNER_PORTS)}
SECRETS = Secrets(services={service: ServiceSecrets() for service in Service})
COMMON = (
    *("NATS_URL", "NATS_USER", "NATS_PASSWORD", "LOG_FORMAT", "SECRET_KEYS"),
    *("DATABASE_URL", "DATABASE_OWNER_URL", "DATABASE_ALL_TENANTS_URL"),
)


def settings(folder: Path, **more: Any) -> Settings:
    return Settings(data_dir=folder / "data", **more)


def service(plan_of: Settings, name: str) -> Launch:
    plan = make_plan(plan_of, PORTS, SECRETS)
    return next(launch for launch in plan.services if launch.name == name)


def test_planning_touches_nothing_and_gives_the_same_again(tmp_path: Path) -> None:
    one, other = (make_plan(settings(tmp_path), PORTS, SECRETS) for _ in range(2))
    assert one == other
    assert list(tmp_path.iterdir()) == []


def test_everything_of_an_installation_is_planned_once(tmp_path: Path) -> None:
    names = [launch.name for launch in make_plan(settings(tmp_path), PORTS, SECRETS).launches]
    assert sorted(names) == sorted({"nats", "postgres", "opensearch", "sandbox", *Service})


def test_no_two_processes_share_a_readiness_url(tmp_path: Path) -> None:
    launches = make_plan(settings(tmp_path), PORTS, SECRETS).launches
    assert len({launch.ready for launch in launches}) == len(launches)


@pytest.mark.parametrize("name", list(Service))
def test_every_service_gets_the_common_settings(tmp_path: Path, name: Service) -> None:
    launch = service(settings(tmp_path), name)
    assert {f"{name.upper()}_{setting}" for setting in COMMON} <= launch.environment.keys()
    assert launch.tier is Tier.SERVICE


@pytest.mark.parametrize("name", list(Service))
def test_a_service_gets_no_secret_of_another(tmp_path: Path, name: Service) -> None:
    told = " ".join(service(settings(tmp_path), name).environment.values())
    foreign = [
        secret
        for other in Service
        if other is not name
        for secret in SECRETS.of(other).model_dump().values()
        if secret in told
    ]
    assert foreign == []
    assert SECRETS.postgres_superuser not in told


def test_the_gateway_answers_for_its_health_on_its_own_port(tmp_path: Path) -> None:
    launch = service(settings(tmp_path, port=9999), "gateway")
    assert launch.ready == HttpReady("http://127.0.0.1:9999/health/ready")
    assert launch.environment["GATEWAY_PUBLIC_URL"] == "http://127.0.0.1:9999"


def test_people_come_back_from_consent_to_the_public_url(tmp_path: Path) -> None:
    behind_a_proxy = {"GATEWAY_PUBLIC_URL": "https://connector.example"}
    launch = service(settings(tmp_path, environment=behind_a_proxy), "auth")
    assert launch.environment["AUTH_REDIRECT_URL"] == "https://connector.example/oauth/callback"


def test_without_the_sandbox_all_missing_outside_settings_are_named(tmp_path: Path) -> None:
    bare = settings(tmp_path, with_sandbox=False)
    assert missing_outside_variables(bare) == list(OUTSIDE_VARIABLES)
    told = dict.fromkeys(OUTSIDE_VARIABLES, "https://outside.example")
    assert missing_outside_variables(settings(tmp_path, with_sandbox=False, environment=told)) == []
    assert missing_outside_variables(settings(tmp_path)) == []


def test_without_the_sandbox_the_users_outside_settings_are_not_replaced(tmp_path: Path) -> None:
    plan = make_plan(settings(tmp_path, with_sandbox=False), PORTS, SECRETS)
    assert plan.sandbox is None
    for launch in plan.services:
        assert not set(OUTSIDE_VARIABLES) & launch.environment.keys()
