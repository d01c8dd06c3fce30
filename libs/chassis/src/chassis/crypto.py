"""Encryption at rest, by Fernet of the `cryptography` library (AES-128-CBC with HMAC-SHA-256)."""

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import SecretStr


class CannotDecrypt(Exception):  # noqa: N818
    """A stored secret fits none of the keys: the key was lost, or the row was tampered with."""


class Vault:
    """Seals and opens short secrets (tokens). The first key seals; all keys open, so keys can rotate.

    Args:
        keys: Fernet keys, comma separated, newest first. Raises ValueError if none, or one is malformed.
    """

    def __init__(self, keys: SecretStr) -> None:
        texts = [key.strip() for key in keys.get_secret_value().split(",") if key.strip()]
        if not texts:
            raise ValueError("no encryption key: set <SERVICE>_SECRET_KEYS")
        self._fernet = MultiFernet([Fernet(text) for text in texts])

    def seal(self, secret: SecretStr) -> bytes:
        """Encrypt for storing."""
        return self._fernet.encrypt(secret.get_secret_value().encode())

    def open(self, sealed: bytes) -> SecretStr:
        """Decrypt. Raises CannotDecrypt."""
        try:
            return SecretStr(self._fernet.decrypt(sealed).decode())
        except InvalidToken as error:
            raise CannotDecrypt("the stored secret fits none of the keys") from error
