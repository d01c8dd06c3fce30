"""The OpenAPI document of the HTTP interface, made from the routes without starting anything."""

import json

from fastapi import FastAPI
from pydantic import SecretStr

from chassis.health import Health
from gateway.application import create_application
from gateway.parts import Parts
from gateway.settings import Settings


def application() -> FastAPI:
    """The application without anything behind it."""
    nowhere = SecretStr("postgresql://nowhere")
    settings = Settings(
        nats_url="nats://nowhere",
        database_url=nowhere,
        database_all_tenants_url=nowhere,
        admin_password=SecretStr("not-used-here"),
        session_secret=SecretStr("not-used-here-either"),
    )
    return create_application(Parts.from_settings(settings), Health())


def document() -> str:
    """As it stands in `docs/openapi/gateway.json`."""
    return json.dumps(application().openapi(), ensure_ascii=False, indent=2) + "\n"
