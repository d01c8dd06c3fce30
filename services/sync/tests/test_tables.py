"""The tables that the code describes are the tables that the migrations make."""

from typing import TYPE_CHECKING, Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from pydantic import SecretStr
from sqlalchemy import create_engine

from chassis.migrations import sqlalchemy_url
from sync.tables import Base

if TYPE_CHECKING:
    from parts.databases import DatabaseUrls

COMMON = {"outbox", "outbox_counter", "lease", "parked_message", "alembic_version"}
"""The chassis makes these, and has its own tests of them."""
OWN = {"add_table", "remove_table", "add_column", "remove_column", "modify_nullable", "modify_type"}
"""Indexes and constraints are written in the migration alone."""


def test_the_described_tables_are_those_that_the_migrations_make(urls: "DatabaseUrls") -> None:
    engine = create_engine(sqlalchemy_url(SecretStr(urls.superuser)))

    def ours(thing: Any, name: str | None, kind: str, reflected: bool, compare_to: Any) -> bool:
        return not (kind == "table" and name in COMMON)

    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": ours, "compare_type": False})
        found = compare_metadata(context, Base.metadata)
    engine.dispose()
    flat = [one for group in found for one in (group if isinstance(group, list) else [group])]
    assert [one for one in flat if one[0] in OWN] == []
