"""Knobs: how the stand-ins behave where the vendors' behaviour varies or is unknown. Kept over a restart."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from sandbox.state import Store

Seconds = Annotated[float, Field(ge=0)]
WebhookFate = Literal["sent", "lost", "doubled"]


class Knobs(BaseModel):
    """All knobs with their everyday values."""

    model_config = ConfigDict(extra="forbid")

    ameise_late_post_seconds: Seconds = 0
    """A POST to Ameise's REST takes effect, and answers, only this long after it came in, even when the
    client has given up by then."""
    ameise_search_lag_seconds: Seconds = 0
    """`_search` does not find a Kunde younger than this."""
    ameise_normalise_phones: bool = False
    """Phones are rewritten on write: `030 123` becomes `+49 30 123`. Blanks are trimmed in any case."""
    ameise_changes_vertraege: bool = False
    """PUT on a Vertrag changes it; else it draws 405, since no such call is documented."""
    ameise_access_token_seconds: Seconds = 3600
    ameise_refresh_rotates: bool = True
    """Each refresh returns a new refresh token and kills the old one at once."""
    zoho_access_token_seconds: Seconds = 3600
    zoho_code_seconds: Seconds = 180
    zoho_tokens_per_ten_minutes: int = 10
    """Access tokens per refresh token before Zoho answers "Access Denied"."""
    zoho_webhook_fates: Annotated[tuple[WebhookFate, ...], Field(min_length=1)] = ("sent",)
    """What becomes of an org's webhooks, one after the other and from the front again. A lost one is in no
    list of failures."""
    zoho_bulk_seconds: Seconds = 0.2
    """A bulk write is worked off only this long after it was asked for."""
    zoho_bulk_fires_rules: bool = False
    """Whether a bulk write starts workflow rules: Zoho does not say."""


class KnobPanel:
    """The current knobs."""

    def __init__(self, store: Store) -> None:
        self._store = store
        saved = store.get("sandbox", "knobs", "knobs")
        self.current = Knobs() if saved is None else Knobs.model_validate(saved.data)

    def turn(self, changes: dict[str, object]) -> Knobs:
        """Change some knobs; raises pydantic's ValidationError for an unknown one."""
        self.current = Knobs.model_validate({**self.current.model_dump(), **changes})
        self._store.put("sandbox", "knobs", "knobs", self.current.model_dump())
        return self.current
