"""The scan login at size: memory for each waiting socket, and time from callback to event.

    python -m benchmarks.sockets                                 # uvicorn and Node, 5,000 sockets, 2 minutes
    python -m benchmarks.sockets --servers granian uvicorn node  # what `make up` runs as well

5,000 WebSockets wait on one process, then 5,000 polling clients on two, each request at the next process. The clients
speak Engine.IO 4 and run in this process, on the same cores as the servers: times are upper bounds. Memory is what the
server's processes own (PSS). A Node server with socket.io 4 does the same; its polling clients stay with one process.
"""

import asyncio
import json
import os
import random
import re
import resource
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from typing import Any

import aiohttp

from benchmarks import kit
from devstack.engines import Engines
from devstack.supervisor import one_server
from operations import units

SCANS, SCANS_AT_ONCE = 400, 4
CONNECTING_AT_ONCE = 100
FIRST = 50  # sockets before the memory of the others is counted
RATIOS = ("kb_per_socket", "servers_mb", "p50_ms", "p99_ms")
QUIET_S = 28  # longer than one round of heartbeats
BROWSER = {
    "Origin": "http://localhost:3000", "Accept-Language": "zh-CN,zh;q=0.9",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/130.0",
}  # fmt: skip
COMMANDS = {
    "granian": one_server("--workers", "1", "--backlog", "8192"),
    "uvicorn": units.command("socket", "--backlog", "8192"),
    "node": ["node", "benchmarks/sockets_node.js"],
}


class Client:
    """Wait for events, by WebSocket or by polling."""

    def __init__(self, http: aiohttp.ClientSession, ports: list[int]) -> None:
        self.http, self.ports, self.turn = http, random.sample(ports, len(ports)), 0
        self.sid: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.scanned: asyncio.Future[float] | None = None
        self.is_lost = False

    def url(self, transport: str, sid: str = "") -> str:
        """Return the address of the next request, which is at the next process."""
        self.turn += 1
        port = self.ports[self.turn % len(self.ports)]
        return f"http://127.0.0.1:{port}/socket.io/?EIO=4&transport={transport}&t={self.turn}{sid}"

    async def live(self, is_polling: bool) -> None:
        try:
            await (self.poll() if is_polling else self.listen())
        except (aiohttp.ClientError, OSError) as error:
            if not self.sid.done():
                self.sid.set_exception(RuntimeError(repr(error)))
        self.is_lost = True

    async def listen(self) -> None:
        async with self.http.ws_connect(self.url("websocket"), max_msg_size=0) as line:
            async for message in line:
                if reply := self.reply_to(message.data):
                    await line.send_str(reply)

    async def poll(self) -> None:
        packets, sid = await self.fetch("GET"), ""
        while True:
            for packet in packets:
                if packet.startswith("0"):
                    sid = "&sid=" + json.loads(packet[1:])["sid"]
                if reply := self.reply_to(packet):
                    await self.fetch("POST", sid, reply)
            packets = await self.fetch("GET", sid)

    async def fetch(self, method: str, sid: str = "", body: str | None = None) -> list[str]:
        async with self.http.request(method, self.url("polling", sid), data=body, raise_for_status=True) as answer:
            return (await answer.text()).split("\x1e")

    def reply_to(self, packet: str) -> str:
        if packet.startswith('42["connectSuccess"'):
            self.sid.set_result(json.loads(packet[2:])[1]["sid"])
        elif packet.startswith('42["scancodeSuccess"') and self.scanned:
            self.scanned.set_result(time.perf_counter())
        return {"0": "40", "2": "3"}.get(packet[:1] if packet[:1] == "0" else packet, "")


@asynccontextmanager
async def clients(ports: list[int], count: int, is_polling: bool, is_sticky: bool) -> AsyncIterator[list[Client]]:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(
        connector=connector, headers=BROWSER, timeout=aiohttp.ClientTimeout(120), cookie_jar=aiohttp.DummyCookieJar()
    ) as http:
        waiting: list[Client] = []
        tasks = []
        for start in range(0, count, CONNECTING_AT_ONCE):
            size = min(CONNECTING_AT_ONCE, count - start)
            group = [Client(http, [random.choice(ports)] if is_sticky else ports) for _ in range(size)]
            tasks += [asyncio.ensure_future(client.live(is_polling)) for client in group]
            await asyncio.wait_for(asyncio.gather(*(client.sid for client in group)), 60)
            waiting += group
        yield waiting
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def scan_some(waiting: list[Client]) -> list[float]:
    """Scan the codes of some clients; answers the milliseconds from the callback's start to the event."""
    took: list[float] = []
    chosen = random.sample(waiting, min(SCANS, len(waiting)))

    async def fetch(path: str, port: int) -> Any:
        async with http.get(f"http://127.0.0.1:{port}{path}") as answer:
            return await answer.json()

    async def scan() -> None:
        while chosen:
            client = chosen.pop()
            port = random.choice(client.ports)
            answer = await fetch(f"/users/getQrcode?sid={client.sid.result()}", port)
            state = re.search(r"state=(\w+)", answer["scanCodeUrl"])[1]
            client.scanned = asyncio.get_running_loop().create_future()
            start = time.perf_counter()
            await fetch(f"/users/wechatCallBack?code={state}&state={state}", port)
            took.append((await asyncio.wait_for(client.scanned, 10) - start) * 1000)
            client.scanned = None

    async with aiohttp.ClientSession(
        headers={"Accept": "application/json"}, cookie_jar=aiohttp.DummyCookieJar()
    ) as http:
        await asyncio.gather(*(scan() for _ in range(SCANS_AT_ONCE)))
    return took


async def wait_and_scan(running: list[tuple[int, Any]], count: int, name: str, is_polling: bool) -> dict[str, Any]:
    ports, processes = [port for port, _ in running], [process for _, process in running]
    async with clients(ports, FIRST, is_polling, name == "node"):
        await asyncio.sleep(2)
        before = kit.memory_mb(*processes)
    start = time.perf_counter()
    async with clients(ports, count, is_polling, name == "node") as waiting:
        connected_s = time.perf_counter() - start
        await asyncio.sleep(3)
        memory = kit.memory_mb(*processes)
        took = await scan_some(waiting)
        await asyncio.sleep(max(0, QUIET_S - (time.perf_counter() - start)))
        losses = sum(client.is_lost for client in waiting)
    figures = {"servers_mb": round(memory), "connect_s": round(connected_s, 1), "lost": losses}
    if not is_polling:
        figures["kb_per_socket"] = round((memory - before) * 1024 / (count - FIRST), 1)
    times = {f"p{percent}_ms": round(kit.share(took, percent), 1) for percent in (50, 99)}
    return figures | times | {"max_ms": round(max(took), 1)}


def main() -> None:
    parser = kit.parser(__doc__)
    parser.add_argument("--servers", nargs="+", choices=COMMANDS, default=["uvicorn", "node"])
    parser.add_argument("--sockets", type=int, default=5000)
    parser.add_argument("--only", choices=["websockets", "polling"])
    options = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with Engines(missing=["REDIS_URL"], durable=False) as engines:
        settings = {"DJANGO_SETTINGS_MODULE": "config.settings.local", "LOG_LEVEL": "ERROR", "DATABASE_URL": ""}
        settings["WECHAT_API_BASE_URL"] = "http://127.0.0.1:9"  # nobody is there to ask who scanned
        environ = os.environ | engines.urls | settings
        results: dict[tuple[str, str], dict[str, Any]] = {}
        for name in [name for name in options.servers if name != "node" or shutil.which("node")]:
            for work, processes in (("websockets", 1), ("polling", 2)):
                if options.only in {None, work}:
                    with ExitStack() as stack:
                        running = [stack.enter_context(kit.served(COMMANDS[name], environ)) for _ in range(processes)]
                        work_done = wait_and_scan(running, options.sockets, name, work == "polling")
                        results[name, work] = figures = asyncio.run(work_done)
                    print(json.dumps({"server": name, "work": work, "clients": options.sockets} | figures), flush=True)
    for (name, work), figures in results.items():
        if name != "node" and (node := results.get(("node", work))):
            ratios = {key: round(figures[key] / node[key], 2) for key in RATIOS if key in figures}
            print(f"{name} / node, {work}: {ratios}")


if __name__ == "__main__":
    main()
