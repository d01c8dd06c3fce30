"""OAuth codes and tokens of both vendors' OAuth servers, bound to the world that consent chose."""

import json
import secrets
import time
from dataclasses import dataclass
from typing import Any

from sandbox.state import Store, dump

SCHEMA = """
CREATE TABLE IF NOT EXISTS grants (
    token TEXT PRIMARY KEY, vendor TEXT NOT NULL, kind TEXT NOT NULL, parent TEXT NOT NULL,
    data TEXT NOT NULL, created_at REAL NOT NULL, expires_at REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS grants_parent ON grants (parent, kind, created_at);
CREATE TABLE IF NOT EXISTS clients (
    vendor TEXT, client_id TEXT, client_secret TEXT NOT NULL, PRIMARY KEY (vendor, client_id)
) WITHOUT ROWID;
"""

NEVER = 9e12


@dataclass(frozen=True, slots=True)
class Grant:
    """A code, an access token or a refresh token that lives."""

    token: str
    parent: str
    """For an access token: the refresh token that it came with or from; else empty."""
    data: dict[str, Any]
    created_at: float


class Grants:
    """Issue, look up and revoke. Expired ones are never found."""

    def __init__(self, store: Store, vendor: str) -> None:
        self._connection = store.connection
        self._connection.executescript(SCHEMA)
        self._vendor = vendor

    def issue(
        self, kind: str, data: dict[str, Any], *, parent: str = "", seconds: float | None = None
    ) -> str:
        """A new token of `kind` (code, access, refresh) that lives for `seconds`, or until it is revoked."""
        token = f"1000.{secrets.token_hex(16)}.{secrets.token_hex(16)}"
        now = time.time()
        expires = NEVER if seconds is None else now + seconds
        self._connection.execute(
            "INSERT INTO grants VALUES (?,?,?,?,?,?,?)",
            (token, self._vendor, kind, parent, dump(data), now, expires),
        )
        return token

    def find(self, kind: str, token: str) -> Grant | None:
        """The living token, or None."""
        row = self._connection.execute(
            "SELECT token, parent, data, created_at FROM grants "
            "WHERE token = ? AND vendor = ? AND kind = ? AND expires_at > ?",
            (token, self._vendor, kind, time.time()),
        ).fetchone()
        return None if row is None else Grant(row[0], row[1], json.loads(row[2]), row[3])

    def take(self, kind: str, token: str) -> Grant | None:
        """The living token, which is dead from now on: for codes and rotating refresh tokens."""
        grant = self.find(kind, token)
        if grant is not None:
            self._connection.execute("DELETE FROM grants WHERE token = ?", (token,))
        return grant

    def revoke(self, token: str) -> bool:
        """Kill a token and those that came from it. False if it is not known."""
        known = self._connection.execute(
            "DELETE FROM grants WHERE token = ? AND vendor = ?", (token, self._vendor)
        ).rowcount
        self._connection.execute("DELETE FROM grants WHERE parent = ? AND parent <> ''", (token,))
        return known > 0

    def kill(self, kind: str) -> int:
        """Kill every token of a kind of the vendor now; how many there were."""
        return self._connection.execute(
            "DELETE FROM grants WHERE vendor = ? AND kind = ?", (self._vendor, kind)
        ).rowcount

    def issued_since(self, parent: str, since: float) -> int:
        """How many access tokens came from a refresh token since a moment, dead ones included."""
        row = self._connection.execute(
            "SELECT count(*) FROM grants WHERE parent = ? AND kind = 'access' AND created_at > ?",
            (parent, since),
        ).fetchone()
        return int(row[0])

    def keep_newest(self, parent: str, number: int) -> None:
        """Let only the newest `number` living access tokens of a refresh token live.

        The others expire and stay counted by `issued_since`.
        """
        now = time.time()
        self._connection.execute(
            "UPDATE grants SET expires_at = ? WHERE token IN (SELECT token FROM grants WHERE parent = ? AND "
            "kind = 'access' AND expires_at > ? ORDER BY created_at DESC, token LIMIT -1 OFFSET ?)",
            (now, parent, now, number),
        )

    def client_is_genuine(self, client_id: str, client_secret: str) -> bool:
        """Whether the secret is the client's. The first secret seen for a client becomes its secret."""
        if not client_id or not client_secret:
            return False
        self._connection.execute(
            "INSERT OR IGNORE INTO clients VALUES (?,?,?)", (self._vendor, client_id, client_secret)
        )
        row = self._connection.execute(
            "SELECT client_secret FROM clients WHERE vendor = ? AND client_id = ?", (self._vendor, client_id)
        ).fetchone()
        return secrets.compare_digest(row[0].encode(), client_secret.encode())
