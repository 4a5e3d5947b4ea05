"""Two servers as in production, each a process of its own, on the test database; and what Node says to them."""

import json
import subprocess
from pathlib import Path

import pytest
from django.db import connections

from devstack.supervisor import one_server
from lessons.call_log import calls_of, users_noted
from lessons.signs import signs_of
from operations import units
from tests.kit import free_ports
from tests.processes import Service, ask, environment

HERE = Path(__file__).parent


# One of each that serves sockets: what `make up` does with Granian, and what is deployed.
LOG = ("--log-level", "warning")
SERVERS = {
    "granian": one_server("--workers", "1", *LOG),
    "uvicorn": units.command("socket", *LOG, without=("--log-config",)),
}


class Server(Service):
    """One process that serves HTTP and sockets."""

    def __init__(self, command, log, public_url):
        self.port = free_ports(1)[0]
        environ = environment(
            DJANGO_SETTINGS_MODULE="tests.clients.settings", PORT=str(self.port), PUBLIC_BASE_URL=public_url
        )
        where = ["--host", "127.0.0.1", "--port", str(self.port)]
        super().__init__([*command, *where], environ | {"LOG_LEVEL": "WARNING"}, log)

    def is_ready(self):
        return ask(self.port, "GET", "/health/live")[0] > 0


@pytest.fixture(scope="package")
def proxy_port():
    return free_ports(1)[0]


@pytest.fixture(scope="package")
def servers(put_back, django_db_blocker, proxy_port, tmp_path_factory):
    """Two servers that know the address of a proxy before them."""
    logs = tmp_path_factory.mktemp("servers")
    with django_db_blocker.unblock():
        connections.close_all()
    public_url = f"http://127.0.0.1:{proxy_port}"
    running = [Server(command, logs / f"{name}.log", public_url) for name, command in SERVERS.items()]
    try:
        for server in running:
            server.wait_until(server.is_ready)
        yield running
    finally:
        for server in running:
            server.kill()
        with django_db_blocker.unblock():
            put_back()
            connections.close_all()


@pytest.fixture
def proxy(servers, proxy_port):
    """A round-robin proxy before both servers: its address."""
    command = ["node", str(HERE / "proxy.js"), str(proxy_port), *(str(server.port) for server in servers)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


@pytest.fixture
def node():
    """Run a script of this folder; answers what it printed as JSON."""

    def run(script, *args, timeout_s=60):
        command = ["node", str(HERE / script), *map(str, args)]
        result = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s)
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    return run


@pytest.fixture
def quiet(servers):
    """Both servers run; none may write a traceback meanwhile, and no client is blamed for how it works."""
    for server in servers:
        if server.process.poll() is not None:  # the test before ended it
            server.start()
            server.wait_until(server.is_ready)
    before = [len(server.log()) for server in servers]
    yield
    for server, length in zip(servers, before, strict=True):
        assert "Traceback" not in server.log()[length:]
    assert [sign for calls in calls_of(users_noted()).values() for sign in signs_of(calls)] == []
