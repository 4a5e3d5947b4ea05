"""The scan login at size: memory for each waiting socket, and time from callback to event.

    python benchmarks/sockets.py                                 # uvicorn and Node, 5,000 sockets, 2 minutes
    python benchmarks/sockets.py --servers granian uvicorn node  # what `make up` runs as well

5,000 WebSockets wait on one process, then 5,000 polling clients on two, each request at the next process.
The clients speak Engine.IO 4 themselves and run in this process, on the same cores as the servers: times are
upper bounds. Memory is what the server's processes own (PSS). A Node server with socket.io 4 does the same.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import re
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from devstack.engines import Engines  # noqa: E402
from devstack.supervisor import one_server  # noqa: E402
from operations import units  # noqa: E402

SCANS, SCANS_AT_ONCE = 400, 4
CONNECTING_AT_ONCE = 100
FIRST_PORT = 8230
RATIOS = ("kb_per_socket", "servers_mb", "p50_ms", "p99_ms")
QUIET_S = 28  # longer than one round of heartbeats
BROWSER = (
    "Origin: http://localhost:3000\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/130.0\r\n"
    "Accept: */*\r\nAccept-Encoding: gzip, deflate\r\nAccept-Language: zh-CN,zh;q=0.9\r\n"
)
COMMANDS = {
    "granian": one_server("--workers", "1", "--backlog", "8192"),
    "uvicorn": units.command("socket", "--backlog", "8192"),
    "daphne": [sys.executable, "-m", "daphne", "-v", "0", "config.asgi:application"],
    "node": ["node", "benchmarks/sockets_node.js"],
}


class Server:
    """One process under test; ``pss_kb`` counts it and its children."""

    def __init__(self, name: str, port: int, environ: dict[str, str]) -> None:
        self.port = port
        command = [*COMMANDS[name], *([str(port)] if name == "node" else ["--port", str(port)])]
        self.log = tempfile.TemporaryFile()  # noqa: SIM115  (lives as long as the server)
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environ | {"PORT": str(port)},
            stdout=self.log,
            stderr=self.log,
            start_new_session=True,
        )
        ends_at = time.monotonic() + 30
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > ends_at:
                self.log.seek(0)
                raise SystemExit(f"{name} does not start: {self.log.read().decode()[-2000:]}")
            time.sleep(0.1)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as probe:
            probe.sendall(b"GET /health/live HTTP/1.0\r\nHost: x\r\n\r\n")
            return probe.recv(10).startswith(b"HTTP/")
        return False

    def pss_kb(self) -> int:
        group = [p for p in Path("/proc").glob("[0-9]*") if _group(p) == self.process.pid]
        return sum(int(re.search(r"^Pss:\s+(\d+)", (p / "smaps_rollup").read_text(), re.M)[1]) for p in group)

    def stop(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def _group(process: Path) -> int:
    with contextlib.suppress(OSError, ValueError):
        return os.getpgid(int(process.name))
    return 0


class WebSocketClient(asyncio.Protocol):
    """Just enough of a WebSocket and of Engine.IO 4 to wait for events."""

    def __init__(self) -> None:
        self.buffer = b""
        self.is_open = False
        self.sid: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.scanned: asyncio.Future[float] | None = None
        self.is_lost = False

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        head = f"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1\r\n{BROWSER}"
        key = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
        transport.write(f"{head}{key}dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode())

    def send(self, text: bytes) -> None:
        self.transport.write(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if not self.is_open:
            head, separator, rest = self.buffer.partition(b"\r\n\r\n")
            if not separator:
                return
            if b" 101 " not in head.split(b"\r\n")[0]:
                self.sid.set_exception(RuntimeError(head.decode()))
                return
            self.is_open, self.buffer = True, rest
        while len(self.buffer) >= 2:
            length, start = self.buffer[1], 2
            if length == 126:
                length, start = int.from_bytes(self.buffer[2:4], "big"), 4
            if len(self.buffer) < start + length:
                return
            frame, self.buffer = self.buffer[start : start + length], self.buffer[start + length :]
            self.handle(frame)

    def handle(self, frame: bytes) -> None:
        if frame[:1] == b"0":
            self.send(b"40")
        elif frame == b"2":
            self.send(b"3")
        elif frame.startswith(b'42["connectSuccess"'):
            self.sid.set_result(json.loads(frame[2:])[1]["sid"])
        elif frame.startswith(b'42["scancodeSuccess"') and self.scanned:
            self.scanned.set_result(time.perf_counter())

    def connection_lost(self, error: Exception | None) -> None:
        self.is_lost = True
        if not self.sid.done():
            self.sid.set_exception(RuntimeError("closed"))

    def close(self) -> None:
        self.transport.abort()


class PollingClient:
    """A polling client whose every request goes to the next of ``ports`` (to the same one with ``is_sticky``)."""

    def __init__(self, ports: list[int], is_sticky: bool) -> None:
        self.ports = random.sample(ports, len(ports))
        self.is_sticky = is_sticky
        self.turn = 0
        self.links: dict[tuple[int, str], tuple[asyncio.StreamReader, asyncio.StreamWriter]] = {}
        self.sid: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.scanned: asyncio.Future[float] | None = None
        self.is_lost = False

    async def request(self, method: str, query: str, body: bytes = b"") -> bytes:
        port = self.ports[0 if self.is_sticky else self.turn % len(self.ports)]
        self.turn += 1
        link = self.links.pop((port, method), None)
        if link is None or link[0].at_eof():  # servers close connections that lie idle
            link = await asyncio.open_connection("127.0.0.1", port)
        reader, writer = link
        kind = "Content-Type: text/plain;charset=UTF-8\r\n" if body else ""
        path = f"/socket.io/?EIO=4&transport=polling&t={self.turn}{query}"
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{BROWSER}"
        writer.write(f"{head}{kind}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        length = int(re.search(rb"content-length: (\d+)", answer, re.I)[1])
        content = await reader.readexactly(length)
        self.links[port, method] = link
        if b" 200 " not in answer.split(b"\r\n")[0]:
            raise RuntimeError(content.decode())
        return content

    async def live(self) -> None:
        try:
            handshake = await self.request("GET", "")
            session = "&sid=" + json.loads(handshake[1:])["sid"]
            await self.request("POST", session, b"40")
            while True:
                for packet in (await self.request("GET", session)).split(b"\x1e"):
                    if packet == b"2":
                        await self.request("POST", session, b"3")
                    elif packet.startswith(b'42["connectSuccess"'):
                        self.sid.set_result(json.loads(packet[2:])[1]["sid"])
                    elif packet.startswith(b'42["scancodeSuccess"') and self.scanned:
                        self.scanned.set_result(time.perf_counter())
        except (RuntimeError, OSError, asyncio.IncompleteReadError) as error:
            self.is_lost = True
            if not self.sid.done():
                self.sid.set_exception(RuntimeError(repr(error)))

    def close(self) -> None:
        self.task.cancel()
        for _, writer in self.links.values():
            writer.transport.abort()


async def fetch(port: int, path: str) -> Any:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\nAccept: application/json\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return json.loads(answer.partition(b"\r\n\r\n")[2])


async def connect_all(make: Any, count: int) -> list[Any]:
    clients: list[Any] = []
    for start in range(0, count, CONNECTING_AT_ONCE):
        group = await asyncio.gather(*(make() for _ in range(min(CONNECTING_AT_ONCE, count - start))))
        await asyncio.wait_for(asyncio.gather(*(client.sid for client in group)), 60)
        clients += group
    return clients


async def scan_some(clients: list[Any], ports: list[int], is_sticky: bool) -> list[float]:
    """Scan the codes of some clients; answers the milliseconds from the callback's start to the event."""
    took: list[float] = []
    chosen = random.sample(clients, min(SCANS, len(clients)))

    async def scan() -> None:
        while chosen:
            client = chosen.pop()
            port = client.ports[0] if is_sticky and hasattr(client, "ports") else random.choice(ports)
            answer = await fetch(port, f"/users/getQrcode?sid={client.sid.result()}")
            state = re.search(r"state=(\w+)", answer["scanCodeUrl"])[1]
            client.scanned = asyncio.get_running_loop().create_future()
            start = time.perf_counter()
            await fetch(port, f"/users/wechatCallBack?code=c{len(chosen)}&state={state}")
            took.append((await asyncio.wait_for(client.scanned, 10) - start) * 1000)
            client.scanned = None

    await asyncio.gather(*(scan() for _ in range(SCANS_AT_ONCE)))
    return took


@contextlib.asynccontextmanager
async def clients_of(make: Any, count: int) -> AsyncIterator[list[Any]]:
    clients = await connect_all(make, count)
    try:
        yield clients
    finally:
        for client in clients:
            client.close()


async def websockets(servers: list[Server], count: int, name: str) -> dict[str, Any]:
    loop, port = asyncio.get_running_loop(), servers[0].port

    async def make() -> Any:
        return (await loop.create_connection(WebSocketClient, "127.0.0.1", port))[1]

    async with clients_of(make, 50):
        await asyncio.sleep(2)
        before = servers[0].pss_kb()
    await asyncio.sleep(1)
    start = time.perf_counter()
    async with clients_of(make, count) as clients:
        connected_s = time.perf_counter() - start
        await asyncio.sleep(3)
        after = servers[0].pss_kb()
        took = await scan_some(clients, [port], is_sticky=True)
        await asyncio.sleep(max(0, QUIET_S - (time.perf_counter() - start)))
        losses = sum(client.is_lost for client in clients)
    figures = {"kb_per_socket": round((after - before) / (count - 50), 1), "server_mb": after // 1024}
    return figures | {"connect_s": round(connected_s, 1), "lost": losses} | times(took)


async def polling(servers: list[Server], count: int, name: str) -> dict[str, Any]:
    ports, is_sticky = [server.port for server in servers], name == "node"

    async def make() -> Any:
        client = PollingClient(ports, is_sticky)
        client.task = asyncio.ensure_future(client.live())  # type: ignore[attr-defined]
        return client

    start = time.perf_counter()
    async with clients_of(make, count) as clients:
        connected_s = time.perf_counter() - start
        took = await scan_some(clients, ports, is_sticky)
        await asyncio.sleep(max(0, QUIET_S - (time.perf_counter() - start)))
        losses = sum(client.is_lost for client in clients)
        memory = sum(server.pss_kb() for server in servers)
    return {"servers_mb": memory // 1024, "connect_s": round(connected_s, 1), "lost": losses} | times(took)


def times(took: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(took, n=100)
    return {"p50_ms": round(cuts[49], 1), "p99_ms": round(cuts[98], 1), "max_ms": round(max(took), 1)}


@contextlib.contextmanager
def running(name: str, count: int, environ: dict[str, str]) -> Iterator[list[Server]]:
    servers: list[Server] = []
    try:
        for number in range(count):
            servers.append(Server(name, FIRST_PORT + number, environ))
        yield servers
    finally:
        for server in servers:
            server.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--servers", nargs="+", choices=COMMANDS, default=["uvicorn", "node"])
    parser.add_argument("--sockets", type=int, default=5000)
    parser.add_argument("--only", choices=["websockets", "polling"])
    args = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with Engines(missing=["REDIS_URL"], durable=False) as engines:
        settings = {"DJANGO_SETTINGS_MODULE": "config.settings.local", "LOG_LEVEL": "ERROR", "DATABASE_URL": ""}
        environ = os.environ | engines.urls | settings
        results: dict[tuple[str, str], dict[str, Any]] = {}
        for name in args.servers:
            if name == "node" and not shutil.which("node"):
                continue
            for work, processes in ((websockets, 1), (polling, 2)):
                if args.only in {None, work.__name__}:
                    with running(name, processes, environ) as servers:
                        figures = asyncio.run(work(servers, args.sockets, name))
                    results[name, work.__name__] = figures
                    print(json.dumps({"server": name, "work": work.__name__, "clients": args.sockets} | figures))
    for (name, work_name), figures in results.items():
        if name != "node" and (node := results.get(("node", work_name))):
            ratios = {key: round(figures[key] / node[key], 2) for key in RATIOS if key in figures}
            print(f"{name} / node, {work_name}: {ratios}")


if __name__ == "__main__":
    main()
