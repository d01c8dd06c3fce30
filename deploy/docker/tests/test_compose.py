"""What docker-compose.yml promises, and that the services get along with what it gives them."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from audit.settings import Settings as AuditSettings
from auth.settings import AuthSettings
from chassis.settings import ServiceSettings
from gateway.settings import Settings as GatewaySettings
from ingest.settings import IngestSettings
from mvp_connector.plan import OUTSIDE_VARIABLES
from sandbox.settings import Settings as SandboxSettings
from sync.settings import SyncSettings

SETTINGS: dict[str, type[ServiceSettings]] = {
    "ingest": IngestSettings,
    "sync": SyncSettings,
    "auth": AuthSettings,
    "gateway": GatewaySettings,
    "audit": AuditSettings,
}
OURS = [*SETTINGS, "sandbox"]
# These two write beside their data: the first a key store, the second its optimized bundles.
WRITABLE = {"opensearch", "opensearch-dashboards"}
Compose = dict[str, Any]


def test_only_gateway_ftp_and_local_dashboards_are_published(compose: Compose) -> None:
    published = {name: s["ports"] for name, s in compose["services"].items() if "ports" in s}
    assert published == {
        "gateway": ["8080:8080"],
        "ingest": ["2121:2121", "61000-61019:61000-61019", "2222:2222"],
        "opensearch-dashboards": ["127.0.0.1:5601:5601"],
    }


def test_databases_search_and_messages_have_no_way_in_or_out(compose: Compose) -> None:
    assert {name for name, network in compose["networks"].items() if network.get("internal")} == {
        "data",
        "search",
    }
    for part in ("nats", "postgres", "provision"):
        assert compose["services"][part]["networks"] == ["data"]
    on_search = {name for name, s in compose["services"].items() if "search" in s["networks"]}
    assert on_search == {"opensearch", "opensearch-dashboards", "audit"}


def test_nothing_can_gain_rights_and_the_root_is_read_only(compose: Compose) -> None:
    for name, service in compose["services"].items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service.get("read_only", False) is (name not in WRITABLE), name
        assert not {"privileged", "cap_add", "network_mode", "pid"} & service.keys(), name


def test_everything_restarts_but_the_one_shot(compose: Compose) -> None:
    for name, service in compose["services"].items():
        assert service["restart"] == ("no" if name == "provision" else "unless-stopped"), name


def test_images_have_a_tag_and_ours_are_built_here(compose: Compose) -> None:
    for name, service in compose["services"].items():
        assert re.fullmatch(r"[a-z0-9./-]+:\d[\w.-]*", service["image"]), name
        if name in OURS:
            assert service["build"]["args"] == {"SERVICE": name}
            assert service["image"].startswith(f"mvp-connector/{name}:")
            assert service["pull_policy"] == "build"


def test_databases_exist_and_parts_are_healthy_before_a_service_starts(compose: Compose) -> None:
    services = compose["services"]
    assert services["provision"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert services["provision"]["entrypoint"] == ["python", "-m", "chassis.provision"]
    for name in SETTINGS:
        after = services[name]["depends_on"]
        assert after["nats"] == {"condition": "service_healthy"}
        assert after["provision"] == {"condition": "service_completed_successfully"}
    assert services["audit"]["depends_on"]["opensearch"] == {"condition": "service_healthy"}
    for part in ("nats", "postgres", "opensearch", "opensearch-dashboards"):
        assert services[part]["healthcheck"]["test"][0] == "CMD", part
    # Ours bring theirs in the image.
    assert not any("healthcheck" in services[name] for name in OURS)


def test_only_the_profile_starts_the_sandbox(compose: Compose) -> None:
    assert {n: s["profiles"] for n, s in compose["services"].items() if "profiles" in s} == {
        "sandbox": ["sandbox"]
    }


@pytest.mark.parametrize("name", ["ingest", "sync"])
def test_a_stop_list_has_a_volume_to_itself(name: str, compose: Compose, dockerfile: str) -> None:
    """It must outlive the rest, and is never restored with it."""
    volume = f"{name}_stop_list"
    assert volume in compose["volumes"]
    mounted = [mount for s in compose["services"].values() for mount in s.get("volumes", ())]
    [mount] = [mount for mount in mounted if mount.startswith(f"{volume}:")]
    folder = _image_environment(dockerfile)[f"{name}_stop_list_dir".upper()]
    assert mount == f"{volume}:{folder}"
    assert mount in compose["services"][name]["volumes"]


def test_the_user_of_the_image_may_write_into_its_volumes(compose: Compose, dockerfile: str) -> None:
    [owned] = re.findall(r"install -d -o mvp -g mvp -m 0750 (.*)$", dockerfile, re.MULTILINE)
    for name in OURS:
        for mount in compose["services"][name].get("volumes", ()):
            source, folder, *_ = mount.split(":")
            assert folder in owned.split() or source not in compose["volumes"], name


@pytest.mark.parametrize("name", SETTINGS)
def test_a_service_starts_with_its_environment_and_secrets(
    name: str,
    compose: Compose,
    dockerfile: str,
    secrets_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    service = compose["services"][name]
    known = {f"{name}_{field}".upper() for field in SETTINGS[name].model_fields}
    assert service["environment"].keys() <= known, "a variable that the service does not read"
    own = _mounted(service, secrets_folder, tmp_path / "own")
    assert {path.name.upper() for path in own.iterdir()} <= known, "a secret that the service does not read"
    for variable, value in (_image_environment(dockerfile) | service["environment"]).items():
        monkeypatch.setenv(variable, value or "")

    settings = SETTINGS[name](_secrets_dir=own)  # pyright: ignore[reportCallIssue]

    assert settings.database_owner_url is not None
    for secret in ("nats_password", "secret_keys", "database_url"):
        assert getattr(settings, secret).get_secret_value() == (own / f"{name}_{secret}").read_text()
    if isinstance(settings, GatewaySettings):
        assert (settings.host, settings.port) == ("0.0.0.0", 8080)
    else:
        assert (settings.health_host, settings.health_port) == ("0.0.0.0", 8080)


def test_ftp_announces_the_ports_that_are_published(compose: Compose) -> None:
    ingest = compose["services"]["ingest"]
    ports = ingest["environment"]["INGEST_FTP_PASSIVE_PORTS"]
    assert ingest["ports"][1] == f"{ports}:{ports}"


def test_a_secret_is_a_file_and_goes_to_those_who_read_it(compose: Compose, secrets_folder: Path) -> None:
    declared = {name: Path(secret["file"]) for name, secret in compose["secrets"].items()}
    assert declared.keys() == {path.name for path in secrets_folder.iterdir()}
    assert all(path == Path("deploy/docker/secrets") / name for name, path in declared.items())
    for service, described in compose["services"].items():
        for secret in described.get("secrets", ()):
            owner = secret.split("_")[0]
            assert owner == service or service in {"nats", "postgres", "provision"}, (service, secret)
    assert {
        secret for s in compose["services"].values() for secret in s.get("secrets", ())
    } == declared.keys()


def test_sandbox_variables_reach_the_services(root: Path, compose: Compose) -> None:
    told = _env_file(root / "deploy/docker/sandbox.env")
    passed_on = {
        name
        for s in compose["services"].values()
        for name, value in s.get("environment", {}).items()
        if value is None
    }
    secrets = {name.upper() for name in compose["secrets"]}
    assert told.keys() - {"COMPOSE_PROFILES", "GATEWAY_PUBLIC_URL"} <= passed_on
    assert set(OUTSIDE_VARIABLES) <= told.keys() | secrets


def test_every_variable_of_the_example_is_used(root: Path) -> None:
    text = (root / "docker-compose.yml").read_text()
    for variable in _env_file(root / "deploy/docker/.env.example"):
        assert re.search(rf"\${{{variable}:-|^ +{variable}:$", text, re.MULTILINE), variable


def test_the_compose_specification_is_kept(root: Path) -> None:
    command = _compose_command()
    if command is None:
        pytest.skip("Docker Compose is not installed")
    for env_file in (".env.example", "sandbox.env"):
        checked = subprocess.run(
            [*command, "--env-file", f"deploy/docker/{env_file}", "config", "--quiet"],
            cwd=root,
            capture_output=True,
            text=True,
            check=False,
        )
        assert checked.returncode == 0, checked.stderr


# --- the images


def test_an_image_has_its_lock(root: Path) -> None:
    for name in [*OURS, "build"]:
        lock = (root / f"deploy/docker/{name}.lock").read_text()
        assert "--hash=sha256:" in lock
        assert "mvp-connector" not in lock
        assert "://" not in lock


def test_an_image_runs_as_a_user_by_number_without_a_shell(dockerfile: str) -> None:
    final = dockerfile.rsplit("\nFROM ", 1)[1]
    user = re.findall(r"^USER (\d+):(\d+)$", final, re.MULTILINE)
    assert user
    assert user[-1][0] != "0"
    assert re.search(r'^ENTRYPOINT \["service"\]\nCMD \["run"\]$', final, re.MULTILINE)
    assert re.search(r'^HEALTHCHECK .*CMD \["python", .*/health/ready', final, re.MULTILINE)
    assert "pip" not in final


def test_an_image_installs_only_what_is_locked(dockerfile: str) -> None:
    installs = re.findall(r"\bpip (?:--python \S+ )?(?:install|wheel)\s([^;&\n]*)", dockerfile)
    assert len(installs) == 4
    assert all("--require-hashes" in arguments or "--no-index" in arguments for arguments in installs)


def test_an_image_needs_no_buildkit(dockerfile: str) -> None:
    assert "--mount" not in dockerfile
    assert "<<" not in dockerfile
    assert "--chmod" not in dockerfile
    assert not dockerfile.startswith("# syntax")


def test_the_image_sets_nothing_that_no_service_reads(dockerfile: str) -> None:
    known = {f"{name}_{field}".upper() for name, s in SETTINGS.items() for field in s.model_fields}
    known |= {f"MVP_SANDBOX_{field}".upper() for field in SandboxSettings.model_fields}
    python = {"PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "PYTHONSAFEPATH"}
    assert _image_environment(dockerfile).keys() <= known | python


def _mounted(service: dict[str, Any], secrets: Path, folder: Path) -> Path:
    folder.mkdir()
    for name in service["secrets"]:
        shutil.copy(secrets / name, folder / name)
    return folder


def _image_environment(dockerfile: str) -> dict[str, str]:
    final = dockerfile.rsplit("\nFROM ", 1)[1]
    words = [word for line in re.findall(r"^ENV (.*)$", final, re.MULTILINE) for word in shlex.split(line)]
    told = dict(word.split("=", 1) for word in words)
    told.pop("PATH")
    return told


def _env_file(path: Path) -> dict[str, str]:
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def _compose_command() -> list[str] | None:
    for command in (["docker", "compose"], ["docker-compose"]):
        if (
            shutil.which(command[0])
            and not subprocess.run([*command, "version"], capture_output=True, check=False).returncode
        ):
            return command
    return None
