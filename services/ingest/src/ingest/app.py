"""Wires ingest together: settings → parts → a running process."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from chassis.process import Foundation, foundation
from chassis.stop_list import StopList
from ingest.access import Access
from ingest.digest import Digests
from ingest.download import Downloads
from ingest.forgetting import Forgetting
from ingest.format_overrides import Formats
from ingest.history import History
from ingest.importing import Importer
from ingest.informing import Informing
from ingest.looking import Looking
from ingest.manual_upload import ManualUpload
from ingest.overdue import OverdueWatch
from ingest.receiving import Receiver
from ingest.releasing import Releasing
from ingest.retention import Retention
from ingest.sending_again import SendingAgain
from ingest.settings import IngestSettings
from ingest.spool import Spool
from ingest.subscribers import register
from ingest.table_format import load_format


@asynccontextmanager
async def running(settings: IngestSettings) -> AsyncGenerator[Foundation]:
    """The service, up and receiving, while the block runs."""
    form = load_format(settings.format_name)
    spool = Spool(settings.spool_dir, watched=settings.watch_dir)
    spool.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    stop_list = StopList(settings.stop_list_folder, settings.stop_list_key)
    stop_list.check()
    async with foundation(settings) as base:
        formats = Formats(form, base.database, base.outbox)
        importer = Importer(base, settings, formats, spool, stop_list)
        forgetting = Forgetting(base, settings, formats, spool, stop_list)
        receiver = Receiver(base, settings, formats, spool, importer)
        register(
            base.broker.faststream,
            access=Access(settings, base.database, base.outbox, spool),
            looking=Looking(settings, formats, base.database),
            digests=Digests(base.database),
            sending_again=SendingAgain(base.database, base.outbox),
            history=History(form, base.database),
            downloads=Downloads(form, base.database, base.outbox, base.broker),
            upload=ManualUpload(base, settings, formats, spool, importer),
            releasing=Releasing(base.database, base.outbox, spool, formats, stop_list, importer.wake.set),
            formats=formats,
            forgetting=forgetting,
            informing=Informing(base, spool),
        )
        base.in_background("importing", importer.run())
        base.in_background("overdue", OverdueWatch(base, settings).run())
        base.in_background("retention", Retention(base, settings, spool, forgetting).run())
        base.in_background("receiving", receiver.run())
        await _first(receiver.settled.wait(), base.stopping.wait())
        await base.start()
        yield base


async def _first(*waits: Coroutine[Any, Any, Any]) -> None:
    """Return when one of them has."""
    tasks = [asyncio.create_task(wait) for wait in waits]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
