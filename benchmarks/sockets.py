"""Sockets that wait for a scan: memory of each, and time from callback to event, on uvicorn beside Granian.

    python -m benchmarks.sockets [--sockets 5000]        # two minutes

That many WebSockets wait on one process, as the units of ``deploy/systemd`` and as `make up` start it. The clients
speak Engine.IO 4 and run in this process, on the same cores as the server: times are upper bounds. Memory is what the
server's processes own (PSS).
"""

import asyncio
import json
import os
import random
import re
import resource
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import psutil

from benchmarks import kit
from devstack.engines import Engines
from devstack.supervisor import one_server
from operations import units

SCANS, SCANS_AT_ONCE = 400, 4
CONNECTING_AT_ONCE = 100
FIRST = 50  # sockets before the memory of the others is counted
QUIET_S = 28  # longer than one round of heartbeats
BROWSER = {
    "Origin": "http://localhost:3000", "Accept-Language": "zh-CN,zh;q=0.9",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/130.0",
}  # fmt: skip
COMMANDS = {
    "granian": one_server("--workers", "1", "--backlog", "8192"),
    "uvicorn": units.command("socket", "--backlog", "8192"),
}


class Client:
    """Wait for events on a WebSocket."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self.http, self.url = http, url
        self.sid: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.scanned: asyncio.Future[float] | None = None
        self.is_lost = False

    async def live(self) -> None:
        try:
            async with self.http.ws_connect(f"{self.url}/socket.io/?EIO=4&transport=websocket") as line:
                async for message in line:
                    if reply := self.reply_to(message.data):
                        await line.send_str(reply)
        except (aiohttp.ClientError, OSError) as error:
            if not self.sid.done():
                self.sid.set_exception(RuntimeError(repr(error)))
        self.is_lost = True

    def reply_to(self, packet: str) -> str:
        if packet.startswith('42["connectSuccess"'):
            self.sid.set_result(json.loads(packet[2:])[1]["sid"])
        elif packet.startswith('42["scancodeSuccess"') and self.scanned:
            self.scanned.set_result(time.perf_counter())
        return {"0": "40", "2": "3"}.get(packet[:1] if packet[:1] == "0" else packet, "")


@asynccontextmanager
async def clients(url: str, count: int) -> AsyncIterator[list[Client]]:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, headers=BROWSER, cookie_jar=aiohttp.DummyCookieJar()) as http:
        waiting: list[Client] = []
        tasks = []
        while len(waiting) < count:
            group = [Client(http, url) for _ in range(min(CONNECTING_AT_ONCE, count - len(waiting)))]
            tasks += [asyncio.ensure_future(client.live()) for client in group]
            await asyncio.wait_for(asyncio.gather(*(client.sid for client in group)), 60)
            waiting += group
        yield waiting
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def scan_some(url: str, waiting: list[Client]) -> list[float]:
    """Scan the codes of some clients; return the milliseconds from the callback's start to the event."""
    took: list[float] = []
    chosen = random.sample(waiting, min(SCANS, len(waiting)))

    async def fetch(path: str) -> Any:
        async with http.get(url + path) as answer:
            return await answer.json()

    async def scan() -> None:
        while chosen:
            client = chosen.pop()
            answer = await fetch(f"/users/getQrcode?sid={client.sid.result()}")
            state = re.search(r"state=(\w+)", answer["scanCodeUrl"])[1]
            client.scanned = asyncio.get_running_loop().create_future()
            start = time.perf_counter()
            await fetch(f"/users/wechatCallBack?code={state}&state={state}")
            took.append((await asyncio.wait_for(client.scanned, 10) - start) * 1000)
            client.scanned = None

    headers = {"Accept": "application/json"}
    async with aiohttp.ClientSession(headers=headers, cookie_jar=aiohttp.DummyCookieJar()) as http:
        await asyncio.gather(*(scan() for _ in range(SCANS_AT_ONCE)))
    return took


async def wait_and_scan(port: int, server: psutil.Process, count: int) -> dict[str, float]:
    url, first = f"http://127.0.0.1:{port}", min(FIRST, count // 2)
    async with clients(url, first):
        await asyncio.sleep(2)
        before_mb = kit.memory_mb(server)
    start = time.perf_counter()
    async with clients(url, count) as waiting:
        await asyncio.sleep(3)
        memory_mb = kit.memory_mb(server)
        took = await scan_some(url, waiting)
        await asyncio.sleep(max(0, QUIET_S - (time.perf_counter() - start)))
        losses = sum(client.is_lost for client in waiting)
    figures = {"lost": losses, "kb_per_socket": (memory_mb - before_mb) * 1024 / (count - first)}
    return figures | {f"p{percent}_ms": kit.share(took, percent) for percent in (50, 99)}


def main() -> None:
    parser = kit.parser(__doc__)
    parser.add_argument("--sockets", type=int, default=5000)
    count = parser.parse_args().sockets
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with Engines(missing=["REDIS_URL"], durable=False) as engines:
        settings = {"DJANGO_SETTINGS_MODULE": "config.settings.local", "LOG_LEVEL": "ERROR", "DATABASE_URL": ""}
        settings["WECHAT_API_BASE_URL"] = "http://127.0.0.1:9"  # nobody is there to ask who scanned
        results = {}
        for name, command in COMMANDS.items():
            with kit.served(command, os.environ | engines.urls | settings) as (port, server):
                results[name] = asyncio.run(wait_and_scan(port, server, count))
    for figure, uvicorn in results["uvicorn"].items():
        granian = results["granian"][figure]
        ratio = f", ratio {uvicorn / granian:.2f}" if granian else ""
        kit.show(f"{count} sockets, {figure}: Granian, uvicorn", f"{granian:.1f}, {uvicorn:.1f}{ratio}")


if __name__ == "__main__":
    main()
