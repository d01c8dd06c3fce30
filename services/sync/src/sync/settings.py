"""The settings of sync."""

from datetime import timedelta
from typing import ClassVar

from pydantic import Field

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
    to_ameise_workers: int = Field(
        default=8, ge=1, description="records of Zoho in hand at once, per process"
    )
    to_zoho_workers: int = Field(default=4, ge=1, le=10, description="batches to Zoho at once, per process")
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
    ameise_lists_kept: timedelta = Field(
        default=timedelta(hours=1),
        description="how long Ameise's Anreden, Länder and Vermittler are kept before they are asked anew",
    )
    fresh_link: timedelta = Field(
        default=timedelta(hours=24), description="how long an Erstanlage counts as possibly repeated"
    )
