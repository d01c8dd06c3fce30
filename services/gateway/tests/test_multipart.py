"""A form is read part by part, wherever it is cut into pieces on its way."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.problems import Invalid
from gateway.multipart import parts

TYPE = "multipart/form-data; boundary=grenze"


def a_form(*files: tuple[str, bytes]) -> bytes:
    field = b'--grenze\r\nContent-Disposition: form-data; name="csrf"\r\n\r\ntoken\r\n'
    heads = [
        f'--grenze\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n'
        "Content-Type: text/csv\r\n\r\n".encode()
        for name, _ in files
    ]
    bodies = [head + content + b"\r\n" for head, (_, content) in zip(heads, files, strict=True)]
    return field + b"".join(bodies) + b"--grenze--\r\n"


async def in_pieces(body: bytes, size: int):
    for start in range(0, len(body), size):
        yield body[start : start + size]


async def read(body: bytes, size: int = 1000) -> list[tuple[str, str | None, bytes]]:
    return [
        (part.name, part.file_name, b"".join([piece async for piece in part.pieces]))
        async for part in parts(TYPE, in_pieces(body, size))
    ]


@given(
    contents=st.lists(st.binary(max_size=60) | st.just(b"\r\n--grenz\r\n--\r\n"), max_size=3),
    size=st.integers(1, 70),
)
async def test_every_part_comes_out_as_it_went_in(contents, size):
    files = [(f"{number}.csv", content) for number, content in enumerate(contents)]
    expected = [("csrf", None, b"token"), *(("files", name, content) for name, content in files)]
    assert await read(a_form(*files), size) == expected


async def test_what_nobody_reads_of_a_part_is_passed_over():
    body = a_form(("kunden.csv", b"x" * 500), ("sparten.csv", b"y"))
    assert [part.file_name async for part in parts(TYPE, in_pieces(body, 7))] == [
        None, "kunden.csv", "sparten.csv",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("given_name", "name"),
    [
        ("größe.csv", "größe.csv"),
        (r"C:\\Daten\\kunden.csv", "kunden.csv"),
        ("../kunden.csv", "kunden.csv"),
        ("", ""),
    ],
)
async def test_a_file_has_its_name_alone(given_name, name):
    assert (await read(a_form((given_name, b"x"))))[1][1] == name


async def test_a_field_has_no_endless_value():
    body = a_form().replace(b"token", b"t" * 5000)
    with pytest.raises(Invalid):
        [await part.text() async for part in parts(TYPE, in_pieces(body, 100))]


@pytest.mark.parametrize("body", [a_form(("kunden.csv", b"x" * 50))[:-20], b"", b"no form at all"])
async def test_a_form_that_ends_early_or_is_none_is_refused(body):
    with pytest.raises(Invalid):
        await read(body)


@pytest.mark.parametrize("kind", ["", "text/csv", "multipart/form-data"])
async def test_only_forms_are_read(kind):
    with pytest.raises(Invalid, match="multipart"):
        [part async for part in parts(kind, in_pieces(b"x", 1))]
