"""Run servers side by side and compare what a request costs each of them.

Two figures: CPU per request, of the server's processes, PostgreSQL and Valkey together, which a busy machine hardly
changes; and requests per second with the slowest hundredth, which need a quiet one. The load comes from this process
and is not counted.
"""

import json
import os
import selectors
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
CONNECTIONS = 32
START_TIMEOUT_S = 60
LAST_RELEASE = ROOT / "benchmarks" / "last_release.json"
WORSE = 0.9  # a ratio below this part of the former one is no chance


@dataclass(frozen=True)
class Server:
    """Something that Granian serves."""

    name: str
    target: str
    interface: str = "wsgi"
    options: tuple[str, ...] = ("--workers", "2", "--blocking-threads", "4")


@dataclass
class Cost:
    """What requests have cost a server, one entry a round."""

    cpu_ms: list[float] = field(default_factory=list)
    per_second: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)

    @property
    def least_cpu_ms(self) -> float:
        return min(self.cpu_ms)


@contextmanager
def served(server: Server, environ: dict[str, str]) -> Iterator[int]:
    """Run ``server`` on a free port, and return that."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    argv = [sys.executable, "-m", "granian", "--interface", server.interface, "--host", "127.0.0.1"]
    argv += ["--port", str(port), "--http", "1", "--log-level", "error", *server.options, server.target]
    with Path(os.devnull).open("wb") as nowhere:
        process = subprocess.Popen(argv, cwd=ROOT, env=environ, stdout=nowhere, stderr=nowhere)
    try:
        _wait_for(port, server.name)
        yield port
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(port: int, name: str) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise SystemExit(f"{name} does not start.")


def measure(ports: dict[str, int], request: bytes, *, requests: int, rounds: int) -> dict[str, Cost]:
    """Send ``request`` to each of ``ports`` in turns, ``requests`` times a round."""
    costs = {name: Cost() for name in ports}
    for port in ports.values():
        load(port, request, max(requests // 2, 300))  # warm up: pools, prepared statements
    settle()
    for _ in range(rounds):
        for name, port in ports.items():
            before, start = cpu_seconds(), time.perf_counter()
            took = sorted(load(port, request, requests))
            costs[name].per_second.append(requests / (time.perf_counter() - start))
            costs[name].cpu_ms.append(1000 * (cpu_seconds() - before) / requests)
            costs[name].p99_ms.append(1000 * took[len(took) * 99 // 100])
    return costs


def settle() -> None:
    """Wait until nothing works any more: a server answers as soon as its first process has started."""
    for _ in range(START_TIMEOUT_S):
        before = cpu_seconds()
        time.sleep(1)
        if cpu_seconds() - before < 0.1:
            return


def cpu_seconds() -> float:
    """CPU that all processes below this one have taken, those that have ended included."""
    total = 0.0
    for process in psutil.Process().children(recursive=True):
        try:
            total += sum(process.cpu_times()[:4])  # user and system, of itself and of children that have ended
        except psutil.NoSuchProcess:
            pass
    return total


def load(port: int, request: bytes, requests: int) -> list[float]:
    """Send ``request`` that many times over ``CONNECTIONS`` connections; return the seconds each answer took.

    Every answer must be a 200.
    """
    waiting, buffers, sent_at = selectors.DefaultSelector(), {}, {}
    unsent, took = requests, []

    def send(connection: socket.socket) -> None:
        nonlocal unsent
        buffers[connection] = b""
        if unsent:
            unsent -= 1
            sent_at[connection] = time.perf_counter()
            connection.sendall(request)

    for _ in range(min(CONNECTIONS, requests)):
        connection = socket.create_connection(("127.0.0.1", port), 5)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        waiting.register(connection, selectors.EVENT_READ)
        send(connection)
    while len(took) < requests:
        if not (ready := waiting.select(30)):
            raise SystemExit("No answer for 30 s.")
        for entry, _ in ready:
            connection = entry.fileobj  # type: ignore[assignment]
            part = connection.recv(262_144)
            if not part:
                raise SystemExit(f"The connection was closed after {buffers[connection][:300]!r}")
            buffers[connection] += part
            if _is_whole(buffers[connection]):
                took.append(time.perf_counter() - sent_at[connection])
                send(connection)
    for connection in buffers:
        connection.close()
    return took


def body_of(port: int, request: bytes) -> bytes:
    """Return the body of the answer to one ``request``."""
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.sendall(request)
        answer = b""
        while not _is_whole(answer):
            answer += connection.recv(262_144)
    return answer.partition(b"\r\n\r\n")[2]


def _is_whole(answer: bytes) -> bool:
    head, separator, body = answer.partition(b"\r\n\r\n")
    if not separator:
        return False
    if not head.startswith(b"HTTP/1.1 200"):
        raise SystemExit(f"Not a 200: {answer[:500]!r}")
    length = head.lower().partition(b"content-length:")[2]
    if not length:
        return answer.endswith(b"0\r\n\r\n")  # sent in chunks
    return len(body) >= int(length.split(b"\r\n")[0])


def request_of(path: str, token: str, *, body: bytes = b"") -> bytes:
    """Write a request as a front end on another origin sends it."""
    head = f"{'POST' if body else 'GET'} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: https://front.example\r\n"
    head += f"authorization: {token}\r\n"
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


def table(title: str, costs: dict[str, Cost]) -> None:
    """Print ``costs``; ratios are to the first one."""
    base = next(iter(costs.values()))
    print(f"\n{title}")
    print(f"  {'':32}{'CPU ms a request':>20}{'ratio':>7}{'requests/s':>12}{'ratio':>7}{'p99 ms':>9}")
    print(f"  {'':32}{'least':>10}{'median':>10}")
    for name, cost in costs.items():
        cpu, rate = statistics.median(cost.cpu_ms), statistics.median(cost.per_second)
        by_cpu = base.least_cpu_ms / cost.least_cpu_ms
        by_rate = rate / statistics.median(base.per_second)
        print(
            f"  {name:32}{cost.least_cpu_ms:10.3f}{cpu:10.3f}{by_cpu:7.2f}{rate:12,.0f}{by_rate:7.2f}"
            f"{statistics.median(cost.p99_ms):9.1f}"
        )


def compare_with_last(what: str, costs: dict[str, Cost], *, save: bool) -> None:
    """Print which servers cost more CPU, beside the first one, than at the last release; or ``save`` these figures."""
    base = next(iter(costs.values()))
    ratios = {name: round(base.least_cpu_ms / cost.least_cpu_ms, 3) for name, cost in costs.items()}
    last = json.loads(LAST_RELEASE.read_text("utf-8")) if LAST_RELEASE.exists() else {}
    if save:
        text = json.dumps(last | {what: ratios}, ensure_ascii=False, indent=2, sort_keys=True)
        LAST_RELEASE.write_text(text + "\n", "utf-8")
        return
    if what not in last:
        print("  No figures of a release are kept; --save keeps these.")
        return
    slower = [
        f"{name} {ratio:.2f}, it was {last[what][name]:.2f}"
        for name, ratio in ratios.items()
        if ratio < last[what].get(name, 0) * WORSE
    ]
    print("  Slower than at the last release: " + ("; ".join(slower) or "nothing"))
