"""Composition root: from settings to a running auth process."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from auth.ameise_login import AmeiseLogin
from auth.connecting import Connecting
from auth.keeping_fresh import KeepingFresh
from auth.providers import Provider, Registration
from auth.renewing import Renewing
from auth.settings import AuthSettings
from auth.subscribers import register
from auth.tokens import AccessTokens
from auth.zoho_accounts import ZohoAccounts
from chassis.crypto import Vault
from chassis.process import Foundation, foundation
from contracts.names import System


@asynccontextmanager
async def running(settings: AuthSettings) -> AsyncGenerator[Foundation]:
    """auth, answering. Renewals in hand are finished before it ends."""
    vault = Vault(settings.secret_keys)
    providers = providers_of(settings)
    async with foundation(settings) as base:
        connecting = Connecting(base.database, base.outbox, vault, providers)
        tokens = AccessTokens(Renewing(base.database, base.outbox, vault, providers))
        keeping_fresh = KeepingFresh(base.all_tenants, tokens, settings.renewal_interval)
        register(base.broker.faststream, base.database, connecting, tokens)
        await base.start()
        base.in_background("keeping-fresh", keeping_fresh.run())
        try:
            yield base
        finally:
            await tokens.settle()


def providers_of(settings: AuthSettings) -> dict[System, Provider]:
    """The OAuth2 servers of this installation."""
    return {
        System.AMEISE: AmeiseLogin(
            Registration(
                settings.ameise_client_id,
                settings.ameise_client_secret,
                settings.ameise_scopes,
                settings.redirect_url,
            ),
            settings.ameise_issuer_url,
        ),
        System.ZOHO: ZohoAccounts(
            Registration(
                settings.zoho_client_id,
                settings.zoho_client_secret,
                settings.zoho_scopes,
                settings.redirect_url,
            ),
            settings.zoho_accounts_url,
        ),
    }
