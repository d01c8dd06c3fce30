"""What sync can be asked about an Ameise connection: what it can do with Verträge, as an admin decided it.

It depends on what was agreed with the vendor: creating a Vertrag is documented, changing one is not.
"""

from pydantic import Field

from contracts.actor import Role
from contracts.events import CapabilitiesChanged
from contracts.ids import Uuid
from contracts.names import Service
from contracts.rpc import Rpc, RpcModel


class AskCapabilities(RpcModel):
    connection: Uuid


class CapabilityChanges(RpcModel):
    """What an admin decides; what is left out stays as it is."""

    creates_vertraege: bool | None = Field(
        default=None, description="make Verträge that were typed into Zoho"
    )
    changes_vertraege: bool | None = Field(
        default=None,
        description="change Verträge. Ameise documents no call for it; without it they are parked",
    )


class SetCapabilities(CapabilityChanges):
    """The changes for one connection."""

    connection: Uuid


class AmeiseCapabilities(RpcModel):
    connection: Uuid
    creates_vertraege: bool
    changes_vertraege: bool


_GATEWAY = frozenset({Service.GATEWAY})

CAPABILITIES = Rpc(
    Service.SYNC, "capabilities", AskCapabilities, AmeiseCapabilities,
    callers=_GATEWAY, silent_because="only looks",
)  # fmt: skip
SET_CAPABILITIES = Rpc(
    Service.SYNC, "set_capabilities", SetCapabilities, AmeiseCapabilities,
    callers=_GATEWAY, role=Role.ADMIN, events=(CapabilitiesChanged,),
)  # fmt: skip
RPCS = (CAPABILITIES, SET_CAPABILITIES)
