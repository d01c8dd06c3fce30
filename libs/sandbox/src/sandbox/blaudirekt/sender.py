"""Pushes files to an FTP server, as blau direkt does every night."""

import ftplib
import io
import ssl
from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel, ConfigDict

from sandbox.blaudirekt.export import ExportedTable

TIMEOUT_SECONDS = 30


class Target(BaseModel):
    """The server that takes the delivery."""

    model_config = ConfigDict(extra="forbid")

    protocol: Literal["ftp"] = "ftp"
    host: str
    port: int = 21
    user: str
    password: str
    tls: bool = False


class DeliveryError(Exception):
    """The server could not be reached or refused; says so in its own words."""


def push(target: Target, tables: Iterable[ExportedTable]) -> None:
    """Send every file. Blocking. Raises DeliveryError."""
    try:
        with _connected(target) as ftp:
            for table in tables:
                ftp.storbinary(f"STOR {table.name}", io.BytesIO(table.content))
    except (*ftplib.all_errors, ssl.SSLError) as error:
        raise DeliveryError(f"{type(error).__name__}: {error}") from error


def _connected(target: Target) -> ftplib.FTP:
    if not target.tls:
        ftp = ftplib.FTP(timeout=TIMEOUT_SECONDS)  # noqa: S321  # blau direkt speaks FTP
        ftp.connect(target.host, target.port)
        ftp.login(target.user, target.password)
        return ftp
    # The receiver's certificate is the connector's own: a sandbox has nobody to vouch for it.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    secure = ftplib.FTP_TLS(timeout=TIMEOUT_SECONDS, context=context)  # noqa: S321
    secure.connect(target.host, target.port)
    secure.login(target.user, target.password)
    secure.prot_p()
    return secure
