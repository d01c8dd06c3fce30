"""The NATS users, one per service, each with just the subjects that it needs.

`python -m contracts.permissions` prints the configuration block that `deploy/nats/permissions.conf`
holds; passwords come from the server's environment (`$NATS_PASSWORD_INGEST`, ...).
"""

import sys

from contracts import subjects
from contracts.names import Service
from contracts.rpc.catalog import called_by
from contracts.streams import CONSUMERS, STREAMS, streams_of


def publish_subjects(service: Service) -> list[str]:
    """What `service` may publish: its events and work, RPC calls, replies, and the JetStream API."""
    allowed = [subjects.events_of(service)]
    for stream in STREAMS:
        if service in stream.writers and subjects.ALL_EVENTS not in stream.subjects:
            allowed += stream.subjects
    allowed += [rpc.subject for rpc in called_by(service)]
    allowed += [f"{subjects.inbox_prefix(other)}.>" for other in Service if other != service]
    allowed.append("$JS.API.INFO")
    for stream in streams_of(service):
        allowed += [
            f"$JS.API.STREAM.{verb}.{stream.name}" for verb in ("INFO", "CREATE", "UPDATE", "MSG.GET")
        ]
        allowed.append(f"$JS.API.DIRECT.GET.{stream.name}.>")
        if stream.bucket:
            allowed.append(f"$JS.API.DIRECT.GET.{stream.name}")
            if service in stream.writers or stream.read_once:
                allowed.append(f"$JS.API.STREAM.PURGE.{stream.name}")
            if service in stream.readers and stream.read_once:  # by describing it as deleted
                allowed.append(subjects.objects_of(stream.bucket)[1])
    for consumer in CONSUMERS:
        if consumer.service == service:
            stream, durable = consumer.stream.name, consumer.durable
            allowed += [
                f"$JS.API.CONSUMER.{verb}.{stream}.{durable}"
                for verb in ("INFO", "CREATE", "DURABLE.CREATE", "MSG.NEXT")
            ]
            allowed += [f"$JS.API.CONSUMER.CREATE.{stream}.{durable}.>", f"$JS.ACK.{stream}.{durable}.>"]
    return allowed


def subscribe_subjects(service: Service) -> list[str]:
    """What `service` may hear: requests to its own RPCs, and its own inbox."""
    return [subjects.rpc(service, ">"), f"{subjects.inbox_prefix(service)}.>"]


def configuration() -> str:
    """The `authorization` block of a nats-server configuration."""
    lines = [
        "# Made by `python -m contracts.permissions`; a test says when it is stale.",
        "authorization {",
        "  users = [",
    ]
    for service in Service:
        lines += [
            "    {",
            f"      user: {service}",
            f"      password: $NATS_PASSWORD_{service.upper()}",
            "      permissions: {",
            "        publish: {",
            "          allow: [",
            *(f'            "{subject}"' for subject in publish_subjects(service)),
            "          ]",
            "        }",
            "        subscribe: {",
            "          allow: [",
            *(f'            "{subject}"' for subject in subscribe_subjects(service)),
            "          ]",
            "        }",
            "      }",
            "    }",
        ]
    return "\n".join([*lines, "  ]", "}", ""])


if __name__ == "__main__":
    sys.stdout.write(configuration())
