"""The settings of auth: our registration as a client of Zoho and of Ameise."""

from datetime import timedelta
from typing import ClassVar

from pydantic import Field, SecretStr

from chassis.settings import ServiceSettings, settings_config
from contracts.names import Service

ZOHO_SCOPES = ",".join(
    (
        "ZohoCRM.modules.ALL",
        "ZohoCRM.settings.modules.READ",
        "ZohoCRM.settings.fields.ALL",
        "ZohoCRM.settings.layouts.READ",
        "ZohoCRM.settings.automation_actions.ALL",  # webhooks
        "ZohoCRM.settings.workflow_rules.ALL",
        "ZohoCRM.org.READ",
        "ZohoCRM.users.READ",
        "ZohoCRM.coql.READ",
        "ZohoCRM.bulk.ALL",
    )
)


class AuthSettings(ServiceSettings):
    """Settings of one auth process. An empty client id: that system cannot be connected here."""

    model_config = settings_config(Service.AUTH)

    service: ClassVar[Service] = Service.AUTH

    zoho_accounts_url: str = Field(
        default="https://accounts.zoho.eu", description="accounts server where consent begins"
    )
    zoho_client_id: str = ""
    zoho_client_secret: SecretStr = SecretStr("")
    zoho_scopes: str = Field(default=ZOHO_SCOPES, description="comma separated")

    ameise_issuer_url: str = Field(
        default="https://auth.dionera.com", description="OpenID issuer; the test system has its own"
    )
    ameise_client_id: str = ""
    ameise_client_secret: SecretStr = SecretStr("")
    ameise_scopes: str = Field(
        default="ameise/mitarbeiterwebservice offline",
        description="space separated; without `offline` Ameise gives no refresh token",
    )

    redirect_url: str = Field(description="the gateway's page to which both systems send the browser back")
    renewal_interval: timedelta = Field(
        default=timedelta(seconds=15), description="how often tokens that run out are looked for"
    )
