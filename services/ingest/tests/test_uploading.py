"""One file on its way in: limits, marks, and what a full disk does."""

import errno
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from contracts.ids import TenantId, new_id
from ingest import uploading
from ingest.spool import Spool, is_allowed
from ingest.uploading import Begin, Pace, Refusal, UploadRefused, Uploads

TENANT = TenantId("berlin")


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    made = Spool(tmp_path)
    made.create_home(TENANT)
    return made


def uploads(spool: Spool, settings: Any, **limits: int) -> Uploads:
    return Uploads(settings.model_copy(update=limits), spool, "ftp", lambda: None)


def home(spool: Spool) -> dict[str, tuple[bytes, bool]]:
    """Name → content, and whether it is unfinished."""
    return {file.name: (file.path.read_bytes(), file.unfinished) for file in spool.files(TENANT, None)}


def test_a_file_is_unfinished_from_its_first_byte_to_its_end(spool: Spool, settings: Any) -> None:
    upload = uploads(spool, settings).begin(TENANT, "kunden.csv", Begin.ANEW)
    upload.write(b"abc")
    assert home(spool) == {"kunden.csv": (b"abc", True)}
    upload.cut_off()
    assert home(spool) == {"kunden.csv": (b"abc", True)}
    again = uploads(spool, settings).begin(TENANT, "kunden.csv", Begin.AT_END)
    again.write(b"def")
    again.finish()
    assert home(spool) == {"kunden.csv": (b"abcdef", False)}


def test_an_upload_that_fails_before_it_writes_leaves_a_whole_file_whole(spool: Spool, settings: Any) -> None:
    (spool.incoming(TENANT) / "kunden.csv").write_bytes(b"abc")
    uploads(spool, settings).begin(TENANT, "kunden.csv", Begin.INSIDE).close()
    assert home(spool) == {"kunden.csv": (b"abc", False)}


def test_a_file_cut_off_before_its_first_byte_is_not_whole(spool: Spool, settings: Any) -> None:
    (spool.incoming(TENANT) / "kunden.csv").write_bytes(b"abc")
    uploads(spool, settings).begin(TENANT, "kunden.csv", Begin.ANEW).cut_off()
    assert home(spool) == {"kunden.csv": (b"", True)}


def test_there_must_be_something_to_go_on_with_inside(spool: Spool, settings: Any) -> None:
    with pytest.raises(FileNotFoundError):
        uploads(spool, settings).begin(TENANT, "kunden.csv", Begin.INSIDE)
    assert home(spool) == {}
    assert not spool.is_unfinished(TENANT, "kunden.csv")


def test_writing_anew_leaves_a_reader_of_the_old_file_alone(spool: Spool, settings: Any) -> None:
    (spool.incoming(TENANT) / "kunden.csv").write_bytes(b"old")
    with (spool.incoming(TENANT) / "kunden.csv").open("rb") as reader:
        upload = uploads(spool, settings).begin(TENANT, "kunden.csv", Begin.ANEW)
        upload.write(b"newer")
        upload.finish()
        assert reader.read() == b"old"
    assert home(spool) == {"kunden.csv": (b"newer", False)}


def test_a_delivery_closed_in_the_middle_of_an_upload_never_gets_it_as_whole(
    spool: Spool, settings: Any
) -> None:
    upload = uploads(spool, settings).begin(TENANT, "kunden.csv", Begin.ANEW)
    upload.write(b"abc")
    assert not upload.was_taken()
    moved = spool.move_to_delivery(TENANT, new_id())
    assert upload.was_taken()
    upload.write(b"def")
    assert [file.name for file in moved] == ["kunden.csv.unfinished"]


@pytest.mark.parametrize("name", ["", ".", "..", ".hidden", "a/b.csv", "a\nb.csv", "ü" * 101 + ".csv"])
def test_names_that_are_not_taken(spool: Spool, settings: Any, name: str) -> None:
    assert not is_allowed(name)
    with pytest.raises(UploadRefused) as refused:
        uploads(spool, settings).begin(TENANT, name, Begin.ANEW)
    assert (refused.value.reason, home(spool)) == (Refusal.NAME, {})


def test_a_file_above_the_limit_is_cut_before_it_is_written(spool: Spool, settings: Any) -> None:
    upload = uploads(spool, settings, upload_file_bytes=10).begin(TENANT, "kunden.csv", Begin.ANEW)
    upload.write(b"0123456789")
    with pytest.raises(UploadRefused) as refused:
        upload.write(b"0")
    upload.cut_off()
    assert refused.value.reason is Refusal.FILE_TOO_LARGE
    assert home(spool) == {"kunden.csv": (b"0123456789", True)}


def test_files_beyond_the_limit_are_refused_but_those_there_can_be_resumed(
    spool: Spool, settings: Any
) -> None:
    limited = uploads(spool, settings, upload_home_files=1)
    limited.begin(TENANT, "kunden.csv", Begin.ANEW).cut_off()
    with pytest.raises(UploadRefused) as refused:
        limited.begin(TENANT, "vertraege.csv", Begin.ANEW)
    assert refused.value.reason is Refusal.TOO_MANY_FILES
    limited.begin(TENANT, "kunden.csv", Begin.AT_END).finish()
    assert home(spool) == {"kunden.csv": (b"", False)}


def test_a_home_takes_no_more_than_its_limit(
    spool: Spool, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploading, "HOME_CHECKED_EVERY_BYTES", 4)
    limited = uploads(spool, settings, upload_home_bytes=10)
    first = limited.begin(TENANT, "kunden.csv", Begin.ANEW)
    second = limited.begin(TENANT, "vertraege.csv", Begin.ANEW)
    first.write(b"0123")
    second.write(b"0123")
    with pytest.raises(UploadRefused) as refused:
        first.write(b"4567")
    assert refused.value.reason is Refusal.HOME_FULL


def test_a_full_disk_refuses_and_is_counted(
    spool: Spool, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused_so_far() -> float:
        return REGISTRY.get_sample_value("ingest_uploads_refused_total", {"reason": "disk_full"}) or 0

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    before = refused_so_far()
    upload = uploads(spool, settings).begin(TENANT, "kunden.csv", Begin.ANEW)
    monkeypatch.setattr(uploading, "_write_all", full)
    with pytest.raises(UploadRefused) as refused:
        upload.write(b"abc")
    assert (refused.value.reason, refused_so_far() - before) == (Refusal.DISK_FULL, 1)


def test_a_pace_is_kept_and_a_second_of_slowness_is_made_up_for() -> None:
    pace = Pace(1000, now=100.0)
    assert pace.delay_after(500, now=100.0) == pytest.approx(0.5)
    assert pace.delay_after(1000, now=100.5) == pytest.approx(1.0)
    assert pace.delay_after(1000, now=110.0) == 0.0, "it was slow before: one second of that counts"
    assert pace.delay_after(1000, now=110.0) == pytest.approx(1.0)
