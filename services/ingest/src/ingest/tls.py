"""The certificate and the SSH host key that clients know this installation by: given, or made once.

    <spool>/_server/certificate.pem    self-signed certificate and its key
    <spool>/_server/host_key           SSH host key

Made ones lie in the spool directory, so that every replica shows the same. `_server` is no tenant's name.
"""

import ipaddress
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from ingest.settings import IngestSettings

log: structlog.stdlib.BoundLogger = structlog.get_logger()

FOLDER = "_server"
LIFETIME = timedelta(days=3650)
"""Of a certificate of our own: nobody vouches for it, so renewing it only breaks who trusted it before."""
KEY_BITS = 3072


@dataclass(frozen=True, slots=True)
class Certificate:
    """PEM files of a certificate (with its chain) and of its private key; both may be in the same file."""

    chain: Path
    key: Path


def certificate(settings: IngestSettings) -> Certificate:
    """The certificate to show, made if none is given and none was made before."""
    if given := settings.ftp_tls_certificate:
        return Certificate(given, settings.ftp_tls_key or given)
    path = settings.spool_dir / FOLDER / "certificate.pem"
    keep(path, lambda: self_signed(settings.ftp_public_host or settings.ftp_host))
    return Certificate(path, path)


def keep(path: Path, make: Callable[[], bytes]) -> None:
    """Write what `make` gives, readable by us only, unless the file is there: as a whole or not at all."""
    if path.exists():
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(make())
        file.flush()
        os.fsync(file.fileno())
    new.rename(path)
    log.info("server_key.made", file=path.name)


def fingerprint(pem: Path) -> str:
    """SHA-256 of the first certificate in a file, as people compare it: `AB:CD:...`."""
    found = x509.load_pem_x509_certificates(pem.read_bytes())[0]
    return found.fingerprint(hashes.SHA256()).hex(":").upper()


def self_signed(host: str) -> bytes:
    """A certificate for `host`, and its key."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host[:64])])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))  # a client's clock may be behind
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectAlternativeName([_alternative_name(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return made.public_bytes(Encoding.PEM) + private


def _alternative_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
