"""The role that sees all tenants stands behind one wall less: its users are listed here, with reasons."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]

USERS = {
    "libs/chassis/src/chassis/process.py": "relay and retention of the outbox serve all tenants at once",
    "services/audit/src/audit/app.py": "counts missing event numbers of all tenants for a metric",
    "services/auth/src/auth/app.py": "hands it to keeping_fresh",
    "services/auth/src/auth/keeping_fresh.py": "asks which tenants have a token that runs out",
    "services/gateway/src/gateway/connections.py": "a consent page comes back with a state only",
    "services/gateway/src/gateway/tenants.py": "lists the teams for the installation's admin",
    "services/ingest/src/ingest/importing.py": "asks which tenants have a delivery waiting",
    "services/ingest/src/ingest/overdue.py": "asks which tenants got no delivery for too long",
    "services/ingest/src/ingest/receiving.py": "FTP users sign in before their tenant is known",
    "services/ingest/src/ingest/retention.py": "lets go what is old, of all tenants at once",
    "services/sync/src/sync/app.py": "hands it to workers",
    "services/sync/src/sync/bulk_write.py": "asks which pipelines have enough work for a job; sees ids only",
    "services/sync/src/sync/comparison_schedule.py": "asks whose comparison is due or overdue; sees ids only",
    "services/sync/src/sync/dry_run.py": "asks which dry runs are to go on; sees ids only",
    "services/sync/src/sync/workers.py": "takes work in turns of tenants; sees ids only",
}
_USE = re.compile(r"\.all_tenants\b|settings\.database_all_tenants_url")


def test_only_these_use_the_role_that_sees_all_tenants() -> None:
    sources = [*ROOT.glob("libs/*/src/**/*.py"), *ROOT.glob("services/*/src/**/*.py")]
    # `store.all_tenants` and `passwords.all_tenants` are a query and a password, not the database.
    found = {
        str(source.relative_to(ROOT))
        for source in sources
        if _USE.search(re.sub(r"(store|passwords)\.all_tenants", "", source.read_text()))
    }
    assert found == set(USERS)
