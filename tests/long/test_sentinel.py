"""Valkey through Sentinels: everything that uses it goes on with the new primary."""

import json
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
import redis

from devstack.binaries import find_binaries
from tests.kit import free_ports
from tests.processes import ROOT

# For each line on stdin: use Valkey in every way until each has worked, and say what was read back.
USING = """
import asyncio, json, sys, time
import django
django.setup()
import redis
from channels.layers import get_channel_layer
from django.core.cache import cache
from kombu.exceptions import OperationalError
from sockets.protocol import Peer
from sockets.sessions import WEBSOCKET, Sessions, new_sid
from config.celery import app
from core.cache import valkey

loop = asyncio.new_event_loop()
sessions = Sessions("proc")
connection = app.connection()

def by_cache(word):
    cache.set("word", word)
    return cache.get("word")

def by_client(word):
    valkey.client().set("mine", word)
    return valkey.client().get("mine").decode()

def by_layer(word):
    async def work():
        await get_channel_layer().send("thing", {"type": "x", "word": word})
        return (await get_channel_layer().receive("thing"))["word"]
    return loop.run_until_complete(work())

def by_sockets(word):
    async def work():
        sid = new_sid()
        await sessions.open(sid, WEBSOCKET, Peer(4, True))
        return word if await sessions.peer(sid) else "lost"
    return loop.run_until_complete(work())

def by_broker(word):
    connection.ensure_connection(max_retries=1)
    with connection.SimpleQueue("try") as queue:
        queue.put({"word": word})
        message = queue.get(timeout=5)
        message.ack()
        return message.payload["word"]

for line in sys.stdin:
    said = {}
    for use in (by_cache, by_client, by_layer, by_sockets, by_broker):
        ends_at = time.monotonic() + 40
        while use.__name__ not in said and time.monotonic() < ends_at:
            try:
                said[use.__name__] = use(line.strip())
            except (redis.RedisError, OSError, OperationalError):
                connection.close()
                time.sleep(0.2)
    print(json.dumps(said), flush=True)
"""
WAYS = ("by_cache", "by_client", "by_layer", "by_sockets", "by_broker")


@pytest.fixture
def servers(tmp_path):
    """Two Valkeys and a Sentinel that watches them: ports and processes, the primary first."""
    program = str(find_binaries().valkey)
    first, second, sentinel = free_ports(3)
    watching = tmp_path / "sentinel.conf"
    watching.write_text(
        f"port {sentinel}\nbind 127.0.0.1\nsentinel monitor spms 127.0.0.1 {first} 1\n"
        "sentinel down-after-milliseconds spms 500\nsentinel failover-timeout spms 2000\n"
    )
    commands = {
        first: ["--port", str(first)],
        second: ["--port", str(second), "--replicaof", "127.0.0.1", str(first)],
        sentinel: [str(watching), "--sentinel"],
    }
    running = {}
    for port, words in commands.items():
        home = tmp_path / str(port)
        home.mkdir()
        save = [] if port == sentinel else ["--save", ""]
        running[port] = subprocess.Popen([program, *words, *save], cwd=home, stdout=subprocess.DEVNULL)
    try:
        until(lambda: state(sentinel)["num-slaves"] == 1 and state(second, "replication")["master_link_status"] == "up")
        yield first, second, sentinel, running
    finally:
        for process in running.values():
            process.kill()
            process.wait()


def state(port, section=None):
    with redis.Redis(port=port, decode_responses=True) as client:
        return client.info(section) if section else client.sentinel_masters()["spms"]


def until(happens):
    ends_at = time.monotonic() + 40
    while True:
        with suppress(redis.RedisError, KeyError):
            if happens():
                return
        assert time.monotonic() < ends_at
        time.sleep(0.1)


def test_cache_layer_sockets_and_broker_follow_the_primary(servers, tmp_path):
    first, second, sentinel, running = servers
    [dead] = free_ports(1)
    environ = {
        "REDIS_URL": f"sentinel://127.0.0.1:{dead},127.0.0.1:{sentinel}/3?service=spms",
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        "DJANGO_SETTINGS_MODULE": "config.settings.local",
        "DJANGO_SECRET_KEY": "x" * 50,
        "STATE_DIR": str(tmp_path / "state"),
        "PYTHONPATH": str(ROOT),
        "PATH": "/usr/bin:/bin",
    }
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", USING], env=environ, cwd=Path(ROOT), **pipes) as using:

        def use(word):
            print(word, file=using.stdin, flush=True)
            return json.loads(using.stdout.readline())

        try:
            assert use("before") == dict.fromkeys(WAYS, "before")
            with redis.Redis(port=first) as client:
                assert set(client.info("keyspace")) >= {"db3"}

            running[first].kill()

            assert use("after") == dict.fromkeys(WAYS, "after")
            with redis.Redis(port=second) as client:
                assert set(client.info("keyspace")) >= {"db3"}
        finally:
            using.kill()
