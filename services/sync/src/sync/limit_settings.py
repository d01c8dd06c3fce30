"""What the gates are told by the settings."""

from sync.capability_store import Capabilities
from sync.gates import GateSettings
from sync.limits import Terms
from sync.settings import SyncSettings


def gate_settings(settings: SyncSettings) -> GateSettings:
    """The same for all connections."""
    return GateSettings(
        defaults=default_terms(settings),
        reserve=settings.zoho_webhook_credits,
        kept_calls=settings.zoho_webhook_calls,
        breaker_threshold=settings.breaker_failures,
        probe_patience=3 * settings.call_timeout,
        tell_after=settings.unreachable_after,
    )


def default_capabilities(settings: SyncSettings) -> Capabilities:
    """What an Ameise connection can do of which no admin has said anything else."""
    return Capabilities(
        creates_vertraege=settings.ameise_creates_vertraege,
        changes_vertraege=settings.ameise_changes_vertraege,
    )


def default_terms(settings: SyncSettings) -> Terms:
    """What holds for a connection of which no admin has said anything else."""
    return Terms(
        daily_credits=settings.zoho_daily_credits,
        share_percent=settings.zoho_share_percent,
        simultaneous_calls=settings.zoho_simultaneous_calls,
    )
