"""A minimal service starts, answers, publishes, receives and stops: the chassis as a whole."""

from nats.aio.client import Client
from sample_service.app import LOOK, Look, running
from sample_service.settings import SampleSettings

from chassis.rpc import RpcClient
from contracts.actor import Actor, ActorKind, Role
from contracts.events import EPOCH_HEADER, NUMBER_HEADER, Event, WrittenToAmeise
from contracts.ids import PipelineId, TenantId, ZohoId, new_id

TENANT = TenantId("berlin")
ANNA = Actor(kind=ActorKind.USER, id="anna", tenant=TENANT, role=Role.USER)


async def test_a_minimal_service_answers_asks_for_work_handles_it_and_tells_it(
    settings: SampleSettings, client: Client
) -> None:
    correlationid = new_id()
    async with running(settings) as base:
        assert await base.health.problems() == {}
        events = await client.jetstream().subscribe("event.>", ordered_consumer=True)
        reply = await RpcClient(client).call(
            LOOK,
            Look(pipeline=PipelineId("1"), zoho_id=ZohoId("4711")),
            actor=ANNA,
            correlationid=correlationid,
        )
        assert reply.tenant == TENANT
        message = await events.next_msg(timeout=10)
    event = Event.model_validate_json(message.data)
    assert isinstance(event.typed(), WrittenToAmeise)
    assert (event.tenant, event.correlationid) == (TENANT, correlationid)
    assert message.subject == "event.berlin.sync.written_to_ameise"
    assert message.headers is not None
    assert (message.headers[EPOCH_HEADER], message.headers[NUMBER_HEADER]) == ("1", "1")
