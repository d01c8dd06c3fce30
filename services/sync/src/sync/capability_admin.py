"""What an admin can decide about what an Ameise connection does with Verträge."""

from dataclasses import dataclass, replace

from chassis.database import Database
from chassis.outbox import Outbox
from chassis.rpc import Caller, RpcClient
from contracts.events import CapabilitiesChanged
from contracts.ids import Uuid
from contracts.names import System
from contracts.rpc.sync_capabilities import AmeiseCapabilities, AskCapabilities, SetCapabilities
from sync import capability_store
from sync.capability_store import Capabilities
from sync.connections import connections_of, of_system


@dataclass(frozen=True, slots=True)
class CapabilityAdmin:
    """One method per RPC. `defaults` hold where nobody has decided anything."""

    database: Database
    outbox: Outbox
    rpc: RpcClient
    defaults: Capabilities

    async def capabilities(self, request: AskCapabilities, caller: Caller) -> AmeiseCapabilities:
        """Raises NotFound for what is no Ameise connection of this tenant."""
        await self._check(request.connection, caller)
        async with self.database.tenant(caller.tenant) as session:
            found = await capability_store.load(session, request.connection, self.defaults)
        return _shown(request.connection, found)

    async def set_capabilities(self, request: SetCapabilities, caller: Caller) -> AmeiseCapabilities:
        """Raises NotFound. Holds for the next record that is looked at."""
        await self._check(request.connection, caller)
        chosen = request.model_dump(exclude={"connection"}, exclude_none=True)
        async with self.database.tenant(caller.tenant) as session:
            before = await capability_store.load(session, request.connection, self.defaults)
            now = replace(before, **chosen)
            if now != before:
                await capability_store.save(session, request.connection, now)
                told = CapabilitiesChanged(
                    connection=request.connection, system=System.AMEISE,
                    creates_vertraege=now.creates_vertraege, changes_vertraege=now.changes_vertraege,
                )  # fmt: skip
                await self.outbox.tell(session, caller.cause, told)
        return _shown(request.connection, now)

    async def _check(self, connection: Uuid, caller: Caller) -> None:
        of_system(await connections_of(self.rpc, caller), connection, System.AMEISE)


def _shown(connection: Uuid, found: Capabilities) -> AmeiseCapabilities:
    return AmeiseCapabilities(
        connection=connection,
        creates_vertraege=found.creates_vertraege,
        changes_vertraege=found.changes_vertraege,
    )
