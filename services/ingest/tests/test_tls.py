"""What clients know this installation by."""

import ssl
from pathlib import Path

import pytest
from cryptography import x509

from ingest import tls
from ingest.settings import IngestSettings


def test_a_certificate_is_made_once_and_only_we_can_read_its_key(settings: IngestSettings) -> None:
    own = settings.model_copy(update={"ftp_tls_certificate": None, "ftp_public_host": "ftp.example.org"})
    made = tls.certificate(own)
    before = made.chain.read_bytes()
    assert made.key.stat().st_mode & 0o777 == 0o600
    assert tls.certificate(own).chain.read_bytes() == before
    ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(made.chain, made.key)
    assert len(tls.fingerprint(made.chain).split(":")) == 32


@pytest.mark.parametrize(
    ("host", "names"), [("ftp.example.org", ["ftp.example.org"]), ("192.0.2.1", ["192.0.2.1"])]
)
def test_it_names_the_host_that_clients_use(host: str, names: list[str]) -> None:
    made = x509.load_pem_x509_certificate(tls.self_signed(host))
    alternative = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(name.value) for name in alternative] == names


def test_a_given_certificate_is_taken(settings: IngestSettings, certificate: Path) -> None:
    assert tls.certificate(settings) == tls.Certificate(certificate, certificate)
    apart = settings.model_copy(update={"ftp_tls_key": Path("/etc/key.pem")})
    assert tls.certificate(apart) == tls.Certificate(certificate, Path("/etc/key.pem"))


def test_what_was_half_written_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "key.new").write_bytes(b"half")
    tls.keep(tmp_path / "key", lambda: b"whole")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("key", b"whole")]
