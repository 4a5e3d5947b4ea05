"""What ``manage.py doctor`` finds about the servers around us: room, limits, spares, and what survives a restart."""

import re
import shutil
import stat
import sys
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import redis
from django.conf import settings
from django.db import connection

from core.cache import sentinel, valkey
from core.observe import forwarded
from core.ops.doctor import Finding, register_check
from core.upstreams import resting

LEAST_FREE_BYTES = 1 << 30
LARGEST_LAG_BYTES = 16 << 20
LEAST_WORKER_CONNECTIONS = 4096  # nginx needs two for each socket, and Debian's default is 768
NGINX_CONF = Path("/etc/nginx/nginx.conf")


@register_check
def valkey_keeps() -> Iterator[Finding]:
    """Check what Valkey throws away when its memory is full, and what it still has after a restart."""
    info = valkey.client().info()
    policy = info["maxmemory_policy"]
    remedy = "" if policy == "noeviction" else "Set maxmemory-policy noeviction: the queue of tasks lives there too."
    yield Finding(not remedy, f"Valkey's maxmemory-policy is {policy}", remedy)
    if not info["aof_enabled"]:
        is_bad = False if settings.PRODUCTION else None
        yield Finding(is_bad, "Valkey does not keep its data over a restart", "Set appendonly yes.")


@register_check
def sentinels() -> Iterator[Finding]:
    if not sentinel.is_sentinel(settings.REDIS_URL):
        return
    target = sentinel.primary(settings.REDIS_URL)
    agreeing = 0
    for host, port in target.sentinels:
        try:
            with redis.Redis(host, port, **target.sentinel_options) as client:
                state: dict[str, int] = client.sentinel_masters()[target.service]
        except (redis.RedisError, KeyError) as error:
            yield Finding(False, f"Sentinel {host}:{port} does not know {target.service}: {error}", "Is it running?")
            continue
        agreeing += 1
        if not state["num-slaves"]:
            yield Finding(False, f"Sentinel {host}:{port} knows no replica", "Start the second Valkey.")
        if state["quorum"] > len(target.sentinels):
            yield Finding(False, f"Sentinel {host}:{port} wants {state['quorum']} to agree", "Lower its quorum.")
    needed = len(target.sentinels) // 2 + 1
    remedy = "" if agreeing >= needed >= 2 else "Run three Sentinels on three machines: a majority elects."
    yield Finding(not remedy, f"{agreeing} of {len(target.sentinels)} Sentinels answer", remedy)


@register_check
def database_room() -> Iterator[Finding]:
    """Compare PostgreSQL's ``max_connections`` with what is used and with what a process of ours may take."""
    if settings.DB_POOLER != "none":
        return  # the pooler bounds them
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int,"
            " (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')"
        )
        room, used = cursor.fetchone()
    remedy = "" if used < room * 0.8 else "Raise max_connections, lower DB_POOL_SIZE, or use PgBouncer."
    yield Finding(not remedy, f"PostgreSQL has {used} of {room} connections in use", remedy)
    if (processes := room // settings.DB_POOL_SIZE) < 8:  # two hosts with three each, a command, and one to spare
        what = f"{room} connections suffice for {processes} processes with DB_POOL_SIZE={settings.DB_POOL_SIZE} each"
        yield Finding(None, what, "Count web, socket and worker processes of all hosts.")


@register_check
def database_spare() -> Iterator[Finding]:
    """Where DATABASE_URL names several hosts, check that a synchronous standby follows."""
    if "," not in settings.DATABASES["default"]["HOST"]:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT application_name, sync_state, pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::bigint"
            " FROM pg_stat_replication"
        )
        standbys = cursor.fetchall()
    if not any(state in ("sync", "quorum") for _, state, _ in standbys):
        remedy = "If the primary dies now, nothing takes over, or payments are lost (docs/high-availability.md)."
        yield Finding(False, "No synchronous standby follows the database", remedy)
    for name, state, lag in standbys:
        # Details are visible only to the role itself, pg_monitor and superusers.
        remedy = "Is its disk or the network slow?" if lag and lag > LARGEST_LAG_BYTES else ""
        yield Finding(not remedy, f"Standby {name} ({state}) is {(lag or 0) >> 10} KB behind", remedy)


@register_check
def disk() -> Iterator[Finding]:
    for path in {Path(settings.STATE_DIR), Path(settings.STATIC_ROOT)}:
        free = shutil.disk_usage(path).free
        remedy = "" if free >= LEAST_FREE_BYTES else "Make room, before the disk is full."
        yield Finding(not remedy, f"{path} has {free >> 20} MB free", remedy)


@register_check
def nginx() -> Iterator[Finding]:
    """Check how many sockets an nginx on this machine can carry."""
    if not settings.PRODUCTION or not NGINX_CONF.is_file():
        return
    found = re.search(r"^\s*worker_connections\s+(\d+)", NGINX_CONF.read_text("utf-8", "replace"), re.M)
    number = int(found[1]) if found else 512
    remedy = "" if number >= LEAST_WORKER_CONNECTIONS else f"{NGINX_CONF}: worker_connections 16384; two for a socket."
    yield Finding(not remedy, f"nginx takes {number} connections per worker", remedy)


@register_check
def interpreter() -> Iterator[Finding]:
    """Check that the services' user can reach the Python that the virtual environment points to."""
    if not settings.PRODUCTION:
        return
    real = Path(sys.executable).resolve()
    shut = next((path for path in real.parents if not path.stat().st_mode & stat.S_IXOTH), None)
    if shut:
        remedy = "rm -rf .venv; make install PYTHON=/usr/bin/python3"
        yield Finding(False, f"{real} is below {shut}, which other users cannot enter", remedy)


@register_check
def trusted_proxies() -> Iterator[Finding]:
    """Compare TRUSTED_PROXIES with the requests that arrive (``core.observe.forwarded``)."""
    hops, _, sender = (valkey.client().get(forwarded.KEY) or b"").decode().partition(" ")
    if not hops or forwarded.fits(int(hops)):
        return
    # A request from a private address has passed a proxy of ours, so the setting is wrong. From any other address a
    # client may have sent the header itself, so it is only a note.
    is_ours = settings.PRODUCTION and ip_address(sender).is_private
    what = f"A request from {sender} came with X-Forwarded-For of {hops} address(es)"
    yield Finding(
        False if is_ours else None,
        f"{what}, TRUSTED_PROXIES is {settings.TRUSTED_PROXIES}",
        "Set TRUSTED_PROXIES to the number of proxies before us, or limits and logs go by the proxy's address. "
        "Without a proxy leave it: somebody has sent that header himself.",
    )


@register_check
def breakers() -> Iterator[Finding]:
    for name, number in resting().items():
        if number:
            what = f"{name} does not answer: {number} process(es) refuse calls to it and try again by themselves"
            yield Finding(False, what, "Is it down? Check network, proxy and firewall of this machine.")
