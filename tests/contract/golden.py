"""Golden messages: `python tests/contract/golden.py` writes those that are missing, and never an old one.

A golden file is what a released service may have put on the wire. It stays for ever: a neighbouring
release, a stream of 90 days and the audit log hold such messages. A message whose form changes in a
way that today's models cannot read gets a new version (a new folder beside `v1`), not another file here.
"""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from contract.examples import every_message

FOLDER = Path(__file__).parent / "golden" / "v1"


def golden_file(name: str) -> Path:
    """Where the golden example of a message stands."""
    return FOLDER / f"{name}.json"


def write_missing() -> list[Path]:
    """Write an example of every message that has none; returns the new files."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for name, message in every_message():
        file = golden_file(name)
        if not file.exists():
            file.write_text(message.model_dump_json(indent=2, exclude_none=True) + "\n")
            written.append(file)
    return written


if __name__ == "__main__":
    for new in write_missing():
        sys.stdout.write(f"{new}\n")
