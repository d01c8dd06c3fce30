"""Reads `multipart/form-data` part by part while it comes in: nothing of a file is kept here."""

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from dataclasses import dataclass

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from contracts.problems import Invalid

MAX_FIELD_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Part:
    """A field, or a file if it has a `file_name` (empty: nothing was chosen). `pieces` is what it holds: to
    be read before the next part, or not at all."""

    name: str
    file_name: str | None
    pieces: AsyncIterator[bytes]

    async def text(self) -> str:
        """The value of a field. Raises Invalid if it is too long for one of ours."""
        value = b""
        async for piece in self.pieces:
            value += piece
            if len(value) > MAX_FIELD_BYTES:
                raise Invalid(f"Das Feld {self.name[:40]} ist zu lang.")
        return value.decode(errors="replace")


async def parts(content_type: str, body: AsyncIterable[bytes]) -> AsyncGenerator[Part]:
    """The parts in their order. Raises Invalid if the body is no form, or ends before its time."""
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise Invalid("Erwartet wird multipart/form-data.")
    events = _events(options[b"boundary"], body)
    async for event in events:  # what nobody read of the part before is passed over
        if isinstance(event, _Begin):
            yield Part(event.name, event.file_name, _pieces(events))


async def _pieces(events: "AsyncIterator[_Event]") -> AsyncGenerator[bytes]:
    async for event in events:
        if not isinstance(event, bytes):
            return
        yield event


@dataclass(frozen=True, slots=True)
class _Begin:
    name: str
    file_name: str | None


class _End:
    """Of a part."""


_Event = _Begin | bytes | _End


class _Headings:
    """Collects the headers of a part, and what the parser has seen since it was asked last."""

    def __init__(self) -> None:
        self.seen: list[_Event] = []
        self.is_over = False
        self._field, self._value = b"", b""
        self._disposition = b""

    def on_part_begin(self) -> None:
        self._disposition = b""

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def on_header_end(self) -> None:
        if self._field.lower() == b"content-disposition":
            self._disposition = self._value
        self._field, self._value = b"", b""

    def on_headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        name, file_name = options.get(b"name", b""), options.get(b"filename")
        self.seen.append(
            _Begin(name.decode(errors="replace"), None if file_name is None else _last(file_name))
        )

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        self.seen.append(data[start:end])

    def on_part_end(self) -> None:
        self.seen.append(_End())

    def on_end(self) -> None:
        self.is_over = True


async def _events(boundary: bytes, body: AsyncIterable[bytes]) -> AsyncGenerator[_Event]:
    found = _Headings()
    names = (
        "on_part_begin", "on_header_field", "on_header_value", "on_header_end", "on_headers_finished",
        "on_part_data", "on_part_end", "on_end",
    )  # fmt: skip
    try:
        parser = MultipartParser(boundary, {name: getattr(found, name) for name in names})  # pyright: ignore[reportArgumentType]
        async for piece in body:
            parser.write(piece)
            for event in found.seen:
                yield event
            found.seen.clear()
    except FormParserError as error:
        raise Invalid("Das Formular ist nicht lesbar.") from error
    if not found.is_over:
        raise Invalid("Die Übertragung brach ab.", remedy="Noch einmal hochladen.")


def _last(path: bytes) -> str:
    """The name alone: some clients send the whole path."""
    return path.decode(errors="replace").replace("\\", "/").rsplit("/", 1)[-1]
