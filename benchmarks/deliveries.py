"""Large deliveries for measurements: a million Kunden in seconds, the same at every run."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl
from faker import Faker

from contracts.names import Table
from ingest.table_format import Format, load_format

SEED = 20_261_125
FORM: Format = load_format("dailyup-1")
_NAMES = 1_000


@dataclass(frozen=True, slots=True)
class Words:
    """A few made-up people's words, which the Kunden share."""

    vornamen: list[str]
    nachnamen: list[str]
    strassen: list[str]
    orte: list[str]
    berufe: list[str]

    @classmethod
    def of_seed(cls) -> "Words":
        fake = Faker("de_DE")
        fake.seed_instance(SEED)

        def some(word: str) -> list[str]:
            return [str(getattr(fake, word)()).replace(";", " ") for _ in range(_NAMES)]

        return cls(some("first_name"), some("last_name"), some("street_address"), some("city"), some("job"))


def kunden(rows: int, *, changed_percent: int = 0) -> pl.DataFrame:
    """18 columns of texts as blau direkt might write them; of `changed_percent` another Straße and Ort."""
    words = Words.of_seed()
    number = pl.int_range(rows).alias("n")
    frame = pl.select(number)
    n = pl.col("n")

    def word(of: list[str], step: int) -> pl.Expr:
        return pl.lit(pl.Series(of)).gather(n * step % _NAMES)

    moved = n % 100 < changed_percent
    day = (n * 7 % 28 + 1).cast(pl.String).str.zfill(2)
    month = (n * 5 % 12 + 1).cast(pl.String).str.zfill(2)
    year = (n * 3 % 70 + 1935).cast(pl.String)
    return frame.select(
        ameise_id=(5_000_000_000 + n).cast(pl.String),
        vermittler_id=pl.lit("DEMO01"),
        anrede_id=(n % 2 + 1).cast(pl.String),
        titel=pl.when(n % 20 == 0).then(pl.lit("Dr.")).otherwise(pl.lit("")),
        vorname=word(words.vornamen, 7),
        nachname=word(words.nachnamen, 13),
        strasse=pl.when(moved).then(pl.lit("Neue Straße 1")).otherwise(word(words.strassen, 17)),
        plz=(n * 97 % 99_999).cast(pl.String).str.zfill(5),
        ort=pl.when(moved).then(pl.lit("Neustadt")).otherwise(word(words.orte, 19)),
        land_id=pl.lit("DE"),
        geburtsdatum=pl.concat_str(day, month, year, separator="."),
        beruf=word(words.berufe, 23),
        nationalitaet=pl.lit("deutsch"),
        rechtsform_id=pl.lit(""),
        benutzername_simplr=pl.concat_str(pl.lit("kunde"), n.cast(pl.String)),
        verstorben=pl.lit("0"),
        last_simplr_login_at=pl.concat_str(pl.lit("2026-"), month, pl.lit("-"), day, pl.lit(" 10:00")),
        created_at=pl.concat_str(pl.lit("2019-"), month, pl.lit("-"), day),
    )


_LISTS = {
    Table.ANREDE: "id;text;juristische_person\r\n1;Herr;0\r\n2;Frau;0\r\n",
    Table.LAND: "id;text\r\nDE;Deutschland\r\n",
    Table.VERMITTLER: "vermittler_id;name;parent_id\r\nDEMO01;Makler Nord;\r\n",
}


def write(folder: Path, people: pl.DataFrame) -> list[Path]:
    """The 13 files of a delivery: lists, `people` as Kunden, all others with a header only."""
    folder.mkdir(parents=True, exist_ok=True)
    files: list[Path] = []
    for definition in FORM.tables:
        path = folder / definition.files[0]
        if definition.table is Table.KUNDE:
            people.write_csv(path, separator=";", line_terminator="\r\n", quote_style="necessary")
        else:
            path.write_text(_LISTS.get(definition.table, ";".join(definition.names) + "\r\n"), newline="")
        files.append(path)
    return files


def of_kunden(files: list[Path]) -> Path:
    """The one of them that holds the Kunden."""
    return next(path for path in files if path.name == FORM[Table.KUNDE].files[0])
