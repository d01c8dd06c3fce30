"""Setting up a tenant's way in."""

import asyncio
from dataclasses import dataclass

import structlog

from chassis.cause import Cause
from chassis.database import Database
from chassis.outbox import Outbox
from contracts.events import FtpUserCreated
from contracts.ids import TenantId
from contracts.rpc.ingest import FtpAccess
from ingest import ftp_users
from ingest.settings import IngestSettings
from ingest.spool import Spool

log: structlog.stdlib.BoundLogger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Access:
    """Makes and renews FTP users."""

    settings: IngestSettings
    database: Database
    outbox: Outbox
    spool: Spool

    async def set_up(self, cause: Cause, tenant: TenantId, *, plain_allowed: bool | None) -> FtpAccess:
        """Make the tenant's home and user, or give the user a new password. The password is shown once."""
        await asyncio.to_thread(self.spool.create_home, tenant)
        async with self.database.tenant(tenant) as session:
            access = await ftp_users.renew_access(
                session, tenant, plain_allowed=plain_allowed, otherwise=self.settings.ftp_plain_allowed
            )
            told = FtpUserCreated(user=access.user, plain_allowed=access.plain_allowed)
            await self.outbox.tell(session, cause, told)
        log.info("ftp.user_created", user=access.user, plain_allowed=access.plain_allowed)
        password = access.password.get_secret_value()
        return shown(self.settings, access.user, plain_allowed=access.plain_allowed, password=password)


def shown(
    settings: IngestSettings, user: str, *, plain_allowed: bool, password: str | None = None
) -> FtpAccess:
    """The way in as it is told to people."""
    return FtpAccess(
        host=settings.ftp_public_host or settings.ftp_host,
        port=settings.ftp_port,
        user=user,
        password=password,
        plain_allowed=plain_allowed,
        sftp_port=settings.sftp_port,
    )
