"""Renews `requirements.lock` (everything, for people and CI) and the locks of the images: one per service,
and `build.lock`, by which they build our packages.

Run by `make lock`. No registry address gets into a lock: whoever installs uses the one that is set up.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
SERVICES = ("ingest", "sync", "auth", "gateway", "audit")
UV = Path(sys.executable).parent / "uv"


def main() -> None:
    """Compile the lock of everything first; the services' locks take their versions from it."""
    packages = sorted(str(p.relative_to(ROOT)) for p in ROOT.glob("*/*/pyproject.toml"))
    compile_lock("requirements.lock", [*packages, "requirements-dev.in"])
    for name in (*SERVICES, "sandbox"):
        folder = "libs" if name == "sandbox" else "services"
        compile_lock(
            f"deploy/docker/{name}.lock",
            [f"{folder}/{name}/pyproject.toml"],
            "--constraint", "requirements.lock",
        )  # fmt: skip
    compile_lock("deploy/docker/build.lock", ["deploy/docker/build.in"], "--constraint", "requirements.lock")


def compile_lock(output: str, inputs: list[str], *more: str) -> None:
    ours = [f"--no-emit-package=mvp-connector-{p.parent.name}" for p in ROOT.glob("*/*/pyproject.toml")]
    # The name of the command that made a lock, without its many options.
    header = "--custom-compile-command=make lock"
    subprocess.run(  # noqa: S603 (our own command)
        [
            UV, "pip", "compile", *inputs, "--output-file", output, "--universal", "--python-version", "3.11",
            "--generate-hashes", "--no-emit-index-url", "--no-emit-find-links", "--no-annotate", "--quiet",
            header, *ours, *more,
        ],
        cwd=ROOT,
        check=True,
    )  # fmt: skip


if __name__ == "__main__":
    main()
