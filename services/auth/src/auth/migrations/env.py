"""Alembic's entry: everything is in the chassis."""

from chassis.migrations import run_in_env

run_in_env()
