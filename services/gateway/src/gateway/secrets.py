"""Random tokens, and comparing them without telling by the time taken how much of one was right."""

import hashlib
import hmac
import secrets


def new_token() -> str:
    """256 random bits, safe in URLs and headers."""
    return secrets.token_urlsafe(32)


def sha256(text: str) -> str:
    """SHA-256 in hex. Enough for random tokens: there is nothing to guess that salt would protect."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def is_one_of(token: str, hashes: list[str]) -> bool:
    """Whether a token's hash is among `hashes`; takes as long for a wrong one as for a right one."""
    given = sha256(token)
    matches = [hmac.compare_digest(given, known) for known in hashes]
    return any(matches)


def is_equal(given: str, known: str) -> bool:
    """Compare two secrets in constant time, whatever their lengths."""
    return hmac.compare_digest(sha256(given), sha256(known))
