"""The TLS context that new connections use: made anew when the certificate's files have changed on disk."""

from collections.abc import Callable
from dataclasses import dataclass, field

import structlog
from OpenSSL import SSL

from ingest import tls

log: structlog.stdlib.BoundLogger = structlog.get_logger()

Stamp = tuple[tuple[int, int, int], ...]


@dataclass(slots=True)
class CurrentContext:
    """Called per connection. `make` raises OSError or SSL.Error if the files hold no certificate with its
    key: at first that is the caller's, later the context before stays in use."""

    certificate: tls.Certificate
    make: Callable[[tls.Certificate], SSL.Context]
    _seen: Stamp = field(init=False)
    _context: SSL.Context = field(init=False)

    def __post_init__(self) -> None:
        self._seen = _stamp(self.certificate)
        self._context = self.make(self.certificate)

    def __call__(self) -> SSL.Context:
        try:
            seen = _stamp(self.certificate)
            if seen != self._seen:
                self._context = self.make(self.certificate)
                self._seen = seen
                log.info("ftp.certificate_renewed", sha256=tls.fingerprint(self.certificate.chain))
        except (OSError, SSL.Error) as error:  # half renewed: the next connection looks again
            log.warning("ftp.certificate_unreadable", error=type(error).__name__)
        return self._context


def _stamp(certificate: tls.Certificate) -> Stamp:
    """Differs once a file was written or replaced. Raises OSError."""
    found = [path.stat() for path in (certificate.chain, certificate.key)]
    return tuple((file.st_ino, file.st_mtime_ns, file.st_size) for file in found)
