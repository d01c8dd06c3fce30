"""Looks for a Docker engine and its local images; never pulls."""

import os
from functools import cache
from pathlib import Path

_DEFAULT_SOCKET = Path("/var/run/docker.sock")


@cache
def engine_answers() -> bool:
    """Whether a Docker engine answers here."""
    if "DOCKER_HOST" not in os.environ and not _DEFAULT_SOCKET.exists():
        return False
    import docker  # here: a quarter of a second that most runs do not need
    from docker.errors import DockerException

    try:
        client = docker.from_env(timeout=2)
        try:
            return bool(client.ping())
        finally:
            client.close()
    except (DockerException, OSError):
        return False


def local_image(repository: str) -> str | None:
    """The name with tag of a local image of `repository`, None where there is none."""
    import docker

    client = docker.from_env(timeout=5)
    try:
        tags = [tag for image in client.images.list(name=repository) for tag in image.tags]
    finally:
        client.close()
    return max(tags, default=None)
