"""The settings of sync."""

from datetime import timedelta
from pathlib import Path
from typing import ClassVar

from pydantic import Field, SecretStr

from ameise.links import DEFAULT_LINK_BASE
from chassis.settings import ServiceSettings, settings_config
from contracts.names import Service


class SyncSettings(ServiceSettings):
    """Environment prefix `SYNC_`."""

    service: ClassVar[Service] = Service.SYNC
    model_config = settings_config(Service.SYNC)

    ameise_rest_url: str = Field(
        default="https://mitarbeiterwebservice.maklerinfo.biz/service/bd/employee/1.0/rest",
        description="base of the MitarbeiterWebservice: host, Mandant and version",
    )
    ameise_link_base: str = Field(default=DEFAULT_LINK_BASE, description="start of deep links into Ameise")
    zoho_api_url: str | None = Field(
        default=None, description="instead of the api domain that Zoho named with the token"
    )
    zoho_content_url: str | None = Field(
        default=None, description="host that takes files for bulk writes; else derived from the api domain"
    )
    zoho_daily_credits: int = Field(
        default=50_000,
        ge=1,
        description="API credits of an organisation in 24 h, where its connection says nothing else",
    )
    zoho_share_percent: int = Field(
        default=80, ge=0, le=100, description="of these, what we may use: other apps live from them too"
    )
    zoho_webhook_credits: int = Field(
        default=2_000, ge=0, description="credits that batches leave to webhooks and people"
    )
    zoho_simultaneous_calls: int = Field(
        default=10, ge=1, description="calls in flight per organisation, all replicas together"
    )
    zoho_webhook_calls: int = Field(
        default=1, ge=0, description="of these, how many of each replica's batches leave to webhooks"
    )
    breaker_failures: int = Field(
        default=5, ge=1, description="calls in a row without an answer, before a system is left alone"
    )
    unreachable_after: timedelta = Field(
        default=timedelta(minutes=5), description="a system without an answer for this long is told"
    )
    bulk_min_rows: int = Field(
        default=5_000, ge=1, description="rows waiting in one pipeline before a bulk write is worth it"
    )
    bulk_max_rows: int = Field(default=25_000, ge=1, le=25_000, description="rows of one bulk write")
    bulk_poll: timedelta = Field(
        default=timedelta(seconds=10), description="how often a bulk write is asked for, and looked after"
    )
    to_ameise_workers: int = Field(
        default=8, ge=1, description="records of Zoho in hand at once, per process"
    )
    to_zoho_workers: int = Field(
        default=12,
        ge=1,
        le=64,
        description="batches to Zoho at once, per process; one tenant has three quarters of them",
    )
    lease: timedelta = Field(
        default=timedelta(seconds=30),
        description="after this, what a dead process had in hand is taken over; a living one extends it",
    )
    call_timeout: timedelta = Field(
        default=timedelta(seconds=30), description="longest silence of Zoho or Ameise in one call"
    )
    give_up_after: timedelta = Field(
        default=timedelta(hours=24), description="own attempts at an unavailable system before work is parked"
    )
    settling_time: timedelta = Field(
        default=timedelta(minutes=15),
        description="how long Ameise may still be finishing a POST whose answer we did not get",
    )
    ameise_detail_property: str = Field(
        default="Value",
        description="what holds the value of a Kundendetail in Ameise's JSON, whose shape is not public",
    )
    ameise_creates_vertraege: bool = Field(
        default=True,
        description="whether Verträge can be created, over Ameise connections of which no admin decided it",
    )
    ameise_changes_vertraege: bool = Field(
        default=False,
        description="likewise, whether they can be changed: no call for it is documented in public",
    )
    kunde_awaited: timedelta = Field(
        default=timedelta(minutes=15),
        description="how long a new Vertrag from Zoho waits for its Kunde to be linked, before it is parked",
    )
    ameise_lists_kept: timedelta = Field(
        default=timedelta(hours=1),
        description="how long Ameise's Anreden, Länder and Vermittler are kept before they are asked anew",
    )
    zoho_metadata_kept: timedelta = Field(
        default=timedelta(hours=1),
        description="how old what Zoho says about its fields may be before a batch; three credits per module",
    )
    fresh_link: timedelta = Field(
        default=timedelta(hours=24), description="how long an Erstanlage counts as possibly repeated"
    )
    stop_list_dir: Path = Field(
        default=Path("/var/lib/mvp-connector/sync-stop-list"),
        description="where sync's stop list lies, outside the database and its backups; one for all replicas",
    )
    stop_list_key: SecretStr = Field(
        default=SecretStr(""),
        description="any long random text, never to be changed or lost: it makes the Kundennummern and Zoho "
        "ids on the stop list unreadable. Without it nobody can be forgotten",
    )
    reconcile_every: timedelta = Field(
        default=timedelta(minutes=15), description="between two looks at what changed in Zoho, per connection"
    )
    reconcile_overlap: timedelta = Field(
        default=timedelta(minutes=10),
        description="how far before the last look the next one begins: Zoho's clock and ours may differ",
    )
    reconcile_new_limit: int = Field(
        default=100,
        ge=0,
        description="records that no webhook told of and one look may make Kunden of; all are parked if more",
    )
    compare_hour: int = Field(
        default=5, ge=0, le=23, description="hour of the nightly comparisons, Europe/Berlin"
    )
    compare_retry: timedelta = Field(
        default=timedelta(minutes=5), description="after a comparison or look that failed"
    )
    compare_unknown_limit: int = Field(
        default=100,
        ge=0,
        description="objects that ingest no longer knows and one comparison may look at; none if more",
    )
    compare_objects_limit: int = Field(
        default=100_000,
        ge=0,
        description="objects in buckets that differ; if more, ingest tells the whole table again",
    )
    reconcile_credits: int = Field(
        default=1000, ge=0, description="Zoho's API credits for comparing links, per connection and night"
    )
    reconcile_gone_limit: int = Field(
        default=100,
        ge=0,
        description="linked records that one comparison may find gone without a word; none is marked if more",
    )
    deletion_limit: int = Field(
        default=50,
        ge=1,
        description="records of a pipeline that may be deleted in Zoho in a day; if more, a person is asked",
    )
    deletion_limit_percent: float = Field(
        default=10.0,
        gt=0,
        le=100,
        description="of a pipeline's records, likewise; the smaller of the two holds",
    )
    reconcile_overdue_after: timedelta = Field(
        default=timedelta(hours=1), description="without a look at Zoho's changes: an alarm"
    )
    compare_overdue_after: timedelta = Field(
        default=timedelta(hours=26), description="without a nightly comparison: an alarm"
    )
