"""A transport to a server that a test plays."""

from collections.abc import Callable, Iterator

import httpx
import pytest

from vendor import DEFAULT_TIMEOUTS, Answer, Finding, Timeouts, Transport, Verdict

Handler = Callable[[httpx.Request], httpx.Response]


class Tokens:
    """Hands out token-1, and token-2 after token-1 was refused; remembers what was said to be stale."""

    def __init__(self) -> None:
        self.stale: list[str] = []

    async def access_token(self, *, stale: str | None = None) -> str:
        if stale is not None:
            self.stale.append(stale)
        return f"token-{len(self.stale) + 1}"


def by_status(answer: Answer) -> Finding:
    """Judge as simply as it gets."""
    verdicts = {200: Verdict.OK, 401: Verdict.TOKEN_REFUSED, 400: Verdict.REJECTED, 412: Verdict.STALE}
    return Finding(verdicts.get(answer.status, Verdict.UNAVAILABLE))


@pytest.fixture
def tokens() -> Tokens:
    return Tokens()


@pytest.fixture
def transport_to(tokens: Tokens) -> Iterator[Callable[[Handler], Transport]]:
    """`transport_to(handler)`: a transport whose every request the handler answers."""

    def build(handler: Handler, timeouts: Timeouts = DEFAULT_TIMEOUTS) -> Transport:
        return Transport(
            system="ameise",
            base_url="https://ameise.invalid/rest/",
            auth_scheme="Bearer",
            token=tokens,
            http=httpx.AsyncClient(transport=httpx.MockTransport(handler)),
            assess=by_status,
            timeouts=timeouts,
        )

    return build
