"""The settings of ingest."""

import os
import socket
from datetime import timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import BeforeValidator, Field, SecretStr, field_validator

from chassis.settings import ServiceSettings, settings_config
from contracts.names import Service


def _seconds(value: object) -> object:
    """`0` and `3600` are seconds; anything else is left to pydantic (`P1D`, `01:00:00`)."""
    try:
        return timedelta(seconds=float(str(value)))
    except ValueError:
        return value


Duration = Annotated[timedelta, BeforeValidator(_seconds)]


class IngestSettings(ServiceSettings):
    """Environment prefix `INGEST_`."""

    service: ClassVar[Service] = Service.INGEST
    model_config = settings_config(Service.INGEST)

    spool_dir: Path = Field(
        description="homes of the FTP users and files of deliveries; one for all replicas"
    )
    watch_dir: Path | None = Field(
        default=None,
        description="files in `<watch_dir>/<team>/` are taken like those that came by FTP, and moved away; "
        "for teams whose way in was set up",
    )
    ftp_host: str = Field(default="127.0.0.1", description="address that the FTP server listens on")
    ftp_port: int = Field(default=2121, ge=0, le=65535)
    ftp_public_host: str | None = Field(
        default=None, description="name or address that blau direkt uses; unset: `ftp_host`"
    )
    ftp_masquerade_address: str | None = Field(
        default=None, description="IP address told for data connections behind NAT"
    )
    ftp_passive_ports: str = Field(default="", description="`60000-60100`; empty: any free port")
    ftp_max_connections: int = Field(default=100, ge=1)
    ftp_max_connections_per_address: int = Field(default=20, ge=1)
    ftp_idle_seconds: int = Field(default=300, ge=1, description="a silent connection is closed after this")
    ftp_tls_certificate: Path | None = Field(
        default=None,
        description="PEM file of the certificate and its chain; when its file changes, new connections "
        "use the new one; unset: a self-signed one, made once in `spool_dir`",
    )
    ftp_tls_key: Path | None = Field(
        default=None, description="PEM file of its private key; unset: it is in the certificate's file"
    )
    ftp_plain_allowed: bool = Field(
        default=False,
        description="whether a new FTP user may come without TLS, where the admin who makes it does not say",
    )
    ftp_failed_login_seconds: float = Field(
        default=3.0,
        ge=0,
        description="delay after a failed login (SFTP too); doubles with each further one of an address",
    )
    sftp_port: int | None = Field(
        default=None,
        ge=0,
        le=65535,
        description="port of the SFTP server, at `ftp_host`; unset: there is none",
    )
    sftp_host_key: Path | None = Field(
        default=None,
        description="file of its private host key; unset: an Ed25519 one, made once in `spool_dir`",
    )
    failed_logins_to_block: int = Field(
        default=20, ge=1, description="so many failed logins in a row block an address (IPv6: its /64)"
    )
    failed_logins_block: Duration = Field(
        default=timedelta(minutes=15), description="for so long after the last one"
    )

    upload_file_bytes: int = Field(
        default=4 * 1024**3, ge=1, description="size of one file; what sends more is cut off"
    )
    upload_home_files: int = Field(default=500, ge=1, description="files in a home at once")
    upload_home_bytes: int = Field(
        default=8 * 1024**3, ge=1, description="size of the files in a home together"
    )
    upload_bytes_per_second: int | None = Field(
        default=None, ge=1024, description="how fast one connection may send; unset: as fast as it can"
    )

    archive_bytes: int = Field(
        default=8 * 1024**3, ge=1, description="size of what the archives of a delivery hold, unpacked"
    )
    archive_ratio: float = Field(
        default=200.0, ge=1, description="how many times larger than packed; not judged below 10 MiB"
    )
    archive_entries: int = Field(default=100, ge=1, description="files in one archive")

    format_name: str = Field(default="dailyup-1", description="which file of `ingest/formats` applies")
    marker_pattern: str = Field(
        default="",
        description="name pattern of a file that says that the delivery is complete (`*.done`); unset: it is "
        "when all tables are there",
    )
    quiet_seconds: float = Field(
        default=10.0, ge=0, description="a file whose size stood still this long is complete"
    )
    waiting_time: Duration = Field(
        default=timedelta(hours=1), description="how long missing tables are waited for after the first file"
    )
    as_of_lag: Duration = Field(
        default=timedelta(hours=24),
        description="how much older than its arrival the state in a delivery may be",
    )

    gone_limit_percent: float = Field(
        default=10.0, ge=0, le=100, description="a table that loses more of its rows holds the delivery"
    )
    gone_limit_floor: int = Field(
        default=20, ge=0, description="losing this many rows never holds a delivery"
    )
    fill_limit_points: float = Field(
        default=10.0,
        ge=0,
        le=100,
        description="a column filled in so many percent of the rows less than before holds the delivery",
    )
    fill_limit_floor: int = Field(
        default=20, ge=0, description="so many cells of a column that are emptied never hold a delivery"
    )
    rejected_limit_percent: float = Field(
        default=5.0, ge=0, le=100, description="a table of which more rows are unreadable makes nothing gone"
    )
    rejected_limit_floor: int = Field(
        default=20, ge=0, description="up to so many unreadable rows, a table is taken for whole"
    )
    overdue_after: Duration = Field(
        default=timedelta(hours=26), description="without a delivery for so long, a person is asked for"
    )
    overdue_check: Duration = Field(
        default=timedelta(minutes=1), description="pause between looks for what is overdue"
    )
    history_retention: Duration = Field(
        default=timedelta(days=400), description="how long it is known what a row was before"
    )
    originals_retention: Duration = Field(
        default=timedelta(days=7),
        description="how long the files and all problems of a finished delivery stay; of a held one always",
    )
    delivery_retention: Duration = Field(
        default=timedelta(days=400), description="how long it is known that a delivery came, and its report"
    )
    retention_pause: Duration = Field(
        default=timedelta(hours=1), description="pause between looks for what has stayed long enough"
    )
    stop_list_dir: Path | None = Field(
        default=None,
        description="where the stop list lies, outside the database and its backups; one for all replicas; "
        "unset: `_stop_list` in `spool_dir`",
    )
    stop_list_key: SecretStr = Field(
        default=SecretStr(""),
        description="any long random text, never to be changed or lost: it makes the Kundennummern on the "
        "stop list unreadable. Without it nobody can be forgotten",
    )
    receiving_lease: Duration = Field(
        default=timedelta(seconds=5),
        description="another replica receives after the first was silent so long",
    )
    import_lease: Duration = Field(
        default=timedelta(seconds=15), description="an import whose process died is taken up again after this"
    )
    import_timeout: Duration = Field(
        default=timedelta(minutes=60), description="a statement of an import that takes longer is ended"
    )
    import_attempts: int = Field(
        default=3,
        ge=1,
        description="a delivery that ended so many processes fails instead of being tried again",
    )
    replica: str = Field(
        default_factory=lambda: f"{socket.gethostname()}-{os.getpid()}",
        description="owner of leases, unique among running replicas; one that keeps its name over a restart "
        "goes on at once, instead of waiting for its own lease to run out",
    )

    @field_validator("ftp_passive_ports")
    @classmethod
    def _is_a_range(cls, value: str) -> str:
        if value and len(value.split("-")) != 2:
            raise ValueError("write the passive ports as `60000-60100`")
        return value

    @field_validator("spool_dir", "watch_dir")
    @classmethod
    def _is_absolute(cls, value: Path | None) -> Path | None:
        return value and value.absolute()  # pyftpdlib changes the working directory while it answers CWD

    def is_marker(self, name: str) -> bool:
        """Whether a file of this name says that its delivery is complete."""
        return bool(self.marker_pattern) and fnmatchcase(name.lower(), self.marker_pattern.lower())

    @property
    def stop_list_folder(self) -> Path:
        """Not the name of any tenant, whose homes lie beside it."""
        return self.stop_list_dir or self.spool_dir / "_stop_list"

    def passive_ports(self) -> range | None:
        """The ports for data connections; None means any."""
        if not self.ftp_passive_ports:
            return None
        first, last = map(int, self.ftp_passive_ports.split("-"))
        return range(first, last + 1)
