"""What a sample file would give. Nothing of it is stored or told."""

import base64
import binascii

from contracts.ids import AmeiseKey
from contracts.problems import Invalid
from contracts.rpc.ingest_format import MAX_SAMPLE_BYTES, HeadingRead, ProblemFound, SampleRead
from ingest.headings import MAX_HEADER_BYTES, Encoding, as_utf8
from ingest.parsing import FileForm, form_of
from ingest.problems import Problem, Rule, TableRejected
from ingest.reading import read_sample
from ingest.table_format import Format, TableFormat

SHOWN_PROBLEMS = 20
SHOWN_KEYS = 5


def sample_bytes(content: str) -> bytes:
    """The bytes of an uploaded sample. Raises Invalid."""
    try:
        raw = base64.b64decode(content, validate=True)
    except binascii.Error as error:
        raise Invalid("Der Inhalt der Datei ist kein Base64.") from error
    if len(raw) > MAX_SAMPLE_BYTES:
        raise Invalid(f"Die Datei ist größer als {MAX_SAMPLE_BYTES} Bytes.")
    return raw


def try_out(raw: bytes, file: str, form: Format) -> SampleRead:
    """Read a file as a delivery's would be, and say what was found."""
    table = form.table_of(file)
    if table is None:
        return _with_problems(SampleRead(), [Problem(file, Rule.FILE_OF_NO_TABLE)], 1)
    definition, seen = form[table], SampleRead(table=table)
    try:
        written = form_of(raw[:MAX_HEADER_BYTES], file, definition)
        seen = _with_form(seen, written, as_utf8(raw)[1], definition)
        read, rows = read_sample(raw, file, definition)
    except TableRejected as rejected:
        return _with_problems(seen, [rejected.problem], 1)
    keys = tuple(map(AmeiseKey, rows["key"].head(SHOWN_KEYS)))
    seen = seen.model_copy(update={"rows": read.rows, "rejected": read.rejected, "keys": keys})
    return _with_problems(seen, read.problems[:SHOWN_PROBLEMS], read.problem_count)


def _with_form(
    seen: SampleRead, written: FileForm, encoding: Encoding, definition: TableFormat
) -> SampleRead:
    """What the first line says; a heading may be known even where the file is refused."""
    headings = [
        HeadingRead(heading=heading[:100], column=column.name if column else None)
        for heading in written.headings
        for column in [definition.column_headed(heading)]
    ]
    return seen.model_copy(
        update={"encoding": encoding, "delimiter": written.delimiter, "headings": tuple(headings)}
    )


def _with_problems(seen: SampleRead, problems: list[Problem] | tuple[Problem, ...], count: int) -> SampleRead:
    found = tuple(ProblemFound.model_validate(problem.as_json()) for problem in problems)
    return seen.model_copy(update={"problems": found, "problem_count": count})
