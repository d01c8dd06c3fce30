"""What the person at the terminal sees: progress, and the children's lines with a prefix each."""

import os
import sys
import time
from typing import TextIO

_COLOURS = (36, 32, 33, 35, 34, 96, 92, 93, 95, 94)
_NAME_WIDTH = 10


class Console:
    """Writes lines to a stream; colour only on a terminal and without NO_COLOR."""

    def __init__(self, stream: TextIO = sys.stdout) -> None:
        self._stream = stream
        self._coloured = stream.isatty() and not os.environ.get("NO_COLOR")
        self._colours: dict[str, int] = {}
        self._began = time.monotonic()

    def progress(self, text: str) -> None:
        """A step of the start or the stop, with the seconds since the command."""
        self._write(f"{time.monotonic() - self._began:5.1f} s  {text}")

    def say(self, text: str) -> None:
        """A line to the person."""
        self._write(text)

    def child_line(self, name: str, line: str) -> None:
        """A line of a child's output."""
        prefix = f"{name:<{_NAME_WIDTH}}|"
        if self._coloured:
            colour = self._colours.setdefault(name, _COLOURS[len(self._colours) % len(_COLOURS)])
            prefix = f"\x1b[{colour}m{prefix}\x1b[0m"
        self._write(f"{prefix} {line}")

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text + "\n")
            self._stream.flush()
        except BrokenPipeError:
            # The reader has gone (`| head`): the logs are in files, and the stack must still stop in order.
            return
