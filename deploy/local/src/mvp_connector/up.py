"""`mvp-connector up`: from a data directory to a running installation, and in order down again."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from chassis.provision import Passwords, provision
from contracts import permissions
from contracts.names import Service

from . import instance, parts
from .console import Console
from .instance import CannotStartError
from .plan import (
    INNER_PORTS,
    Plan,
    Settings,
    ingest_ftp_port,
    make_plan,
    missing_outside_variables,
    sandbox_url,
)
from .ports import stable_ports
from .process import Launch
from .secrets import Secrets, load_or_generate
from .stack import Stack
from .supervise import Supervisor

READY_WITHIN = timedelta(seconds=90)
"""Ten seconds on an ordinary machine; the first start on a slow disk takes longer."""

Demo = Callable[[Stack], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Installation:
    """Everything that was decided before the first process starts."""

    settings: Settings
    ports: Mapping[str, int]
    secrets: Secrets
    plan: Plan

    @property
    def stack(self) -> Stack:
        """The addresses for the demo."""
        return Stack(
            gateway_url=self.settings.local_url,
            admin_password=self.secrets.admin_password,
            sandbox_url=sandbox_url(self.ports),
            ftp_host=self.settings.reachable_host,
            ftp_port=ingest_ftp_port(self.settings, self.ports),
        )


async def up(settings: Settings, console: Console, *, demo: Demo | None, exit_after_demo: bool) -> int:
    """Run the installation until it is told to stop; the exit status.

    With `demo` it is played once when all is ready; with `exit_after_demo` its result is the exit
    status. Otherwise SIGINT or SIGTERM end it with status 0; a second one kills the children.

    Raises:
        CannotStartError: another instance, a newer data directory, a taken port, missing settings.
    """
    if missing := missing_outside_variables(settings):
        raise CannotStartError(f"without the sandbox these must be set: {', '.join(missing)}")
    with instance.hold(settings.data_dir):
        installation = _prepare(settings, console)
        supervisor = Supervisor(
            logs=settings.data_dir / "logs",
            console=console,
            on_change=lambda children: instance.record_children(settings.data_dir, children),
        )
        async with _stop_requests(supervisor, console) as stop_requested:
            try:
                status = await _until(
                    stop_requested,
                    _run(installation, supervisor, console, demo=demo, exit_after_demo=exit_after_demo),
                )
                if status is None:  # stopped before its end: a demo that was not seen, else as it should be
                    return 1 if exit_after_demo else 0
                return status
            finally:
                console.progress("stopping")
                await supervisor.stop()
                console.progress("stopped")


def _prepare(settings: Settings, console: Console) -> Installation:
    """Look at the data directory, end what a killed runner left there, and plan."""
    instance.check_format(settings.data_dir)
    if ended := instance.end_leftovers(settings.data_dir):
        console.progress(f"ended what the last run left behind: {', '.join(ended)}")
    instance.check_port(settings.host, settings.port)
    secrets = load_or_generate(settings.data_dir / "secrets.json")
    ports = stable_ports(settings.data_dir / "ports.json", INNER_PORTS)
    return Installation(settings, ports, secrets, make_plan(settings, ports, secrets))


async def _run(
    installation: Installation,
    supervisor: Supervisor,
    console: Console,
    *,
    demo: Demo | None,
    exit_after_demo: bool,
) -> int:
    await _start(installation, supervisor, console)
    _greet(installation, console)
    if demo is not None:
        seen = await demo(installation.stack)
        console.say("The demo saw every step." if seen else "The demo missed a step.")
        if exit_after_demo:
            return 0 if seen else 1
    await asyncio.Event().wait()  # for ever: a stop request cancels it
    return 0


async def _start(installation: Installation, supervisor: Supervisor, console: Console) -> None:
    """Start everything as early as it can: only the services wait, for their databases to exist."""
    plan, settings = installation.plan, installation.settings
    console.progress(
        "starting NATS, PostgreSQL, the search store" + (", the sandboxes" * settings.with_sandbox)
    )
    parts.write_nats_config(
        settings.data_dir / "nats",
        port=installation.ports["nats"],
        monitor_port=installation.ports["nats_monitor"],
        permissions=permissions.configuration(),
    )
    for launch in (plan.nats, plan.opensearch, plan.sandbox):
        if launch is not None:
            await supervisor.start(launch)
    await asyncio.to_thread(
        parts.prepare_postgres,
        settings.data_dir / "postgres",
        superuser_password=installation.secrets.postgres_superuser,
    )
    await supervisor.start(plan.postgres)
    await _all_ready(supervisor, (plan.postgres,), console)
    await asyncio.to_thread(_provision_databases, installation)
    console.progress("starting the services")
    for launch in plan.services:
        await supervisor.start(launch)
    await _all_ready(supervisor, [launch for launch in plan.launches if launch is not plan.postgres], console)
    console.progress("all ready")


def _provision_databases(installation: Installation) -> None:
    url = parts.superuser_url(installation.ports["postgres"], installation.secrets.postgres_superuser)
    for service in Service:
        own = installation.secrets.of(service)
        provision(
            url,
            service,
            Passwords(
                owner=own.database_owner,
                runtime=own.database_runtime,
                all_tenants=own.database_all_tenants,
            ),
        )


async def _all_ready(supervisor: Supervisor, launches: Sequence[Launch], console: Console) -> None:
    """Raises `CannotStartError` naming those that do not get ready."""

    async def ready(launch: Launch) -> bool:
        is_ready = await supervisor.wait_until_ready(launch, within=READY_WITHIN)
        if is_ready:
            console.progress(f"{launch.name} is ready")
        return is_ready

    answers = await asyncio.gather(*(ready(launch) for launch in launches))
    late = [launch.name for launch, is_ready in zip(launches, answers, strict=True) if not is_ready]
    if late:
        raise CannotStartError(
            f"not ready within {READY_WITHIN.total_seconds():.0f} s: {', '.join(late)}; see {supervisor.logs}"
        )


def _greet(installation: Installation, console: Console) -> None:
    settings = installation.settings
    console.say("")
    console.say(f"  Web UI   {settings.public_url}")
    console.say(f"  Login    admin / {installation.secrets.admin_password}")
    console.say(f"  FTP      {installation.stack.ftp_host}:{installation.stack.ftp_port}")
    console.say(f"  Logs     {settings.data_dir / 'logs'}")
    console.say("  Stop     Ctrl-C")
    console.say("")


@contextlib.asynccontextmanager
async def _stop_requests(supervisor: Supervisor, console: Console) -> AsyncGenerator[asyncio.Event]:
    """An event that SIGINT and SIGTERM set; asked again, the children are killed."""
    loop = asyncio.get_running_loop()
    requested = asyncio.Event()

    def request() -> None:
        if requested.is_set():
            console.progress("killing")
            supervisor.kill()
        requested.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, request)
    try:
        yield requested
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


async def _until(requested: asyncio.Event, running: Coroutine[None, None, int]) -> int | None:
    """The result of `running`, None when the stop was requested first."""
    run, stop = asyncio.create_task(running), asyncio.create_task(requested.wait())
    try:
        await asyncio.wait([run, stop], return_when=asyncio.FIRST_COMPLETED)
        return run.result() if run.done() else None
    finally:
        stop.cancel()
        run.cancel()
        await asyncio.gather(run, stop, return_exceptions=True)
