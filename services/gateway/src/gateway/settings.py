"""The gateway's settings."""

from datetime import timedelta
from typing import ClassVar

from pydantic import Field, SecretStr

from chassis.settings import ServiceSettings, settings_config
from contracts.names import Service


class Settings(ServiceSettings):
    """What the gateway reads from `GATEWAY_...`. Its health routes are on its own port."""

    service: ClassVar[Service] = Service.GATEWAY
    model_config = settings_config(Service.GATEWAY)

    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(default=8080, ge=0, le=65535)
    public_url: str = Field(
        default="http://127.0.0.1:8080",
        description="where browsers and Zoho find us; https makes cookies Secure",
    )
    admin_password: SecretStr = Field(min_length=8, description="of the installation's one user `admin`")
    session_secret: SecretStr = Field(min_length=16, description="signs the session cookie")
    session_lifetime: timedelta = Field(default=timedelta(hours=12), description="then: sign in again")

    max_body_bytes: int = Field(
        default=64 * 1024,
        ge=1024,
        description="larger requests get a 413; Zoho's raw bodies have 500 characters",
    )
    max_form_bytes: int = Field(
        default=512 * 1024,
        ge=1024,
        description="of the forms that edit a pipeline and the values of a list, and of a sample file",
    )
    max_upload_bytes: int = Field(
        default=2 * 1024**3,
        ge=1024,
        description="of a delivery that the admin uploads: all its files together",
    )
    upload_time: timedelta = Field(
        default=timedelta(minutes=15), description="then an upload that is still coming in is ended"
    )
    max_discarded_bytes: int = Field(
        default=16 * 1024 * 1024,
        ge=0,
        description="of a body too large, read and thrown away so that its sender can read our answer",
    )
    address_requests_per_second: float = Field(
        default=400, gt=0, description="per address; Zoho sends all its customers' webhooks from few of them"
    )
    address_burst: int = Field(default=800, ge=1)
    tenant_requests_per_second: float = Field(default=300, gt=0, description="webhooks per tenant")
    tenant_burst: int = Field(default=600, ge=1)
    refused_request_cost: float = Field(
        default=10,
        ge=1,
        description="what a refused request takes of its address's budget: no stranger uses up a tenant's",
    )
    endpoint_cache: timedelta = Field(
        default=timedelta(seconds=5),
        le=timedelta(seconds=10),
        description="how long a webhook token revoked by another replica may still be good",
    )
    intake_timeout: timedelta = Field(
        default=timedelta(seconds=4), description="then a webhook gets a 503: Zoho does not wait for long"
    )
    refusals_interval: timedelta = Field(
        default=timedelta(minutes=1), description="between two events that sum up what was refused"
    )

    @property
    def is_https(self) -> bool:
        return self.public_url.startswith("https://")
