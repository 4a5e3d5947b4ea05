"""The real npm clients, old and new, against two servers behind a proxy that is not sticky."""

import json
import signal
import subprocess

import pytest
from websockets.asyncio.client import connect

from accounts.tasks import expire_scan_codes
from core.cache import valkey
from tests.clients.conftest import HERE

# `django_db` makes pytest-django prepare the database; the servers use it, not the tests.
pytestmark = [pytest.mark.node, pytest.mark.slow, pytest.mark.django_db, pytest.mark.usefixtures("quiet")]


def test_every_client_logs_in_by_every_transport(proxy, node):
    results = node("matrix.js", proxy, 3000)

    assert [result for result in results if not result.get("ok")] == []
    assert len(results) == 9


def test_a_plain_websocket_logs_in(proxy, node):
    assert node("plain.js", proxy) == {"ok": True}


def test_a_code_that_is_not_scanned_is_told_to_be_over(proxy):
    command = ["node", str(HERE / "expiry.js"), proxy]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as clients:
        assert clients.stderr
        assert clients.stderr.readline() == "shown\n", clients.stderr.read()
        due = valkey.client().zrange("spms:scan:due", 0, -1)
        valkey.client().zadd("spms:scan:due", dict.fromkeys(due, 1))
        expire_scan_codes()  # beat starts it every two seconds
        out, errors = clients.communicate(timeout=60)
    assert clients.returncode == 0, errors
    assert json.loads(out) == {"ok": True, "screens": 9}


def test_of_a_hundred_at_once_forty_get_their_own_event_and_the_others_none(proxy, node):
    assert node("crowd.js", proxy, 100, 40, timeout_s=120)["ok"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
def test_a_server_that_goes_costs_no_polling_client_its_connection(servers, proxy_port, number):
    """The others come back by themselves, and log in."""
    max_lost = 1 if number == signal.SIGKILL else 0
    arguments = [proxy_port, *(server.port for server in servers), max_lost]
    command = ["node", str(HERE / "kill.js"), *map(str, arguments)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as clients:
        assert clients.stdin and clients.stderr
        assert clients.stderr.readline() == "kill\n", clients.stderr.read()
        servers[1].process.send_signal(number)
        code = servers[1].process.wait(30)
        out, errors = clients.communicate("killed\n", timeout=60)
    assert clients.returncode == 0, errors
    assert '"ok":true' in out
    # uvicorn ends by the signal once it has said goodbye.
    assert code in (0, -number)


@pytest.mark.asyncio
async def test_sockets_are_told_before_their_server_stops(servers):
    address = f"ws://127.0.0.1:{servers[1].port}"
    async with (
        connect(f"{address}/ws/login") as plain,
        connect(f"{address}/socket.io/?EIO=4&transport=websocket") as io,
    ):
        for socket in (plain, io):
            await socket.recv()
        servers[1].process.terminate()
        for socket in (plain, io):
            await socket.wait_closed()
            assert socket.close_code == 1012  # "service restart"
