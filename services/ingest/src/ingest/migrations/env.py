"""Alembic's entry; the chassis does the work."""

from chassis.migrations import run_in_env

run_in_env()
