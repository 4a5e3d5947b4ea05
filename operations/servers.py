"""What ``manage.py doctor`` finds about the servers around us: room, limits, spares, backups, restarts.

pgBackRest writes base backups and the archive (docs/operations.md). Its unit adds a ``Backup`` when a base backup is
finished, and PostgreSQL itself keeps when the archive took the last piece of its log.
"""

import re
import shutil
import stat
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import redis
from django.conf import settings
from django.db import connection

from core import times
from core.cache import sentinel, valkey
from core.findings import Finding
from core.models import Backup
from core.observe import heartbeat, metrics
from core.observe.metrics import Sample
from core.observe.middleware import FORWARDED_KEY, hops_fit
from core.upstreams import resting

MIN_FREE_BYTES = 1 << 30
MAX_LAG_BYTES = 16 << 20
MIN_WORKER_CONNECTIONS = 4096  # nginx needs two for each socket, and Debian's default is 768
NGINX_CONF = Path("/etc/nginx/nginx.conf")
BASE_EVERY = timedelta(hours=26)  # a night's backup, and time for it
_BACKUP_REMEDY = "docs/operations.md; on the database's machine: journalctl -u spms-backup, pgbackrest check."
_ARCHIVER = """
SELECT current_setting('archive_mode') <> 'off', last_archived_time,
    coalesce(last_failed_time > last_archived_time, false)
FROM pg_stat_archiver
"""


def valkey_keeps() -> Iterator[Finding]:
    """Check what Valkey throws away when its memory is full, and what it still has after a restart."""
    info = valkey.client().info()
    policy, remedy = info["maxmemory_policy"], "Set maxmemory-policy noeviction: the queue of tasks lives there too."
    yield Finding(policy == "noeviction", f"Valkey's maxmemory-policy is {policy}", remedy)
    if not info["aof_enabled"]:
        is_bad = False if settings.PRODUCTION else None
        yield Finding(is_bad, "Valkey does not keep its data over a restart", "Set appendonly yes.")


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
    majority = len(target.sentinels) // 2 + 1
    remedy = "Run three Sentinels on three machines: a majority elects."
    yield Finding(agreeing >= majority >= 2, f"{agreeing} of {len(target.sentinels)} Sentinels answer", remedy)


def database_room() -> Iterator[Finding]:
    """Compare PostgreSQL's ``max_connections`` with what is used and with what a process of ours may take."""
    if settings.DB_POOLER != "none":
        return  # the pooler bounds them
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int,"
            " (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')"
        )
        room, number = cursor.fetchone()
    remedy = "Raise max_connections, lower DB_POOL_SIZE, or use PgBouncer."
    yield Finding(number < room * 0.8, f"PostgreSQL has {number} of {room} connections in use", remedy)
    if (processes := room // settings.DB_POOL_SIZE) < 8:  # two hosts with three each, a command, and one to spare
        what = f"{room} connections suffice for {processes} processes with DB_POOL_SIZE={settings.DB_POOL_SIZE} each"
        yield Finding(None, what, "Count web, socket and worker processes of all hosts.")


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
    for name, state, visible_lag in standbys:
        lag = visible_lag or 0  # visible only to the role itself, pg_monitor and superusers
        what = f"Standby {name} ({state}) is {lag >> 10} KB behind"
        yield Finding(lag <= MAX_LAG_BYTES, what, "Is its disk or the network slow?")


def disk() -> Iterator[Finding]:
    for path in {Path(settings.STATE_DIR), Path(settings.STATIC_ROOT)}:
        free = shutil.disk_usage(path).free
        yield Finding(free >= MIN_FREE_BYTES, f"{path} has {free >> 20} MB free", "Make room, before the disk is full.")


def nginx() -> Iterator[Finding]:
    """Check how many sockets an nginx on this machine can carry."""
    if not settings.PRODUCTION or not NGINX_CONF.is_file():
        return
    text = NGINX_CONF.read_text("utf-8", "replace")
    figures = dict(re.findall(r"^\s*(worker_connections|worker_rlimit_nofile)\s+(\d+)", text, re.M))
    # Each connection is an open file, of which systemd allows nginx 1024.
    number = min(int(figures.get("worker_connections", 512)), int(figures.get("worker_rlimit_nofile", 1024)))
    what, remedy = f"nginx takes {number} connections per worker", f"Raise them in {NGINX_CONF} (docs/going-live.md)."
    yield Finding(number >= MIN_WORKER_CONNECTIONS, what, remedy)


def interpreter() -> Iterator[Finding]:
    """Check that the services' user can reach the Python that the virtual environment points to."""
    if not settings.PRODUCTION:
        return
    real = Path(sys.executable).resolve()
    barrier = next((path for path in real.parents if not path.stat().st_mode & stat.S_IXOTH), None)
    if barrier:
        remedy = "rm -rf .venv; make install PYTHON=/usr/bin/python3"
        yield Finding(False, f"{real} is below {barrier}, which other users cannot enter", remedy)


def trusted_proxies() -> Iterator[Finding]:
    """Compare TRUSTED_PROXIES with the requests that arrive (``core.observe.middleware``)."""
    hops, _, sender = (valkey.client().get(FORWARDED_KEY) or b"").decode().partition(" ")
    if not hops or hops_fit(int(hops)):
        return
    # A request from a private address has passed a proxy of ours, so the setting is wrong. From any other address a
    # client may have sent the header itself, so it is only a note.
    is_ours = settings.PRODUCTION and ip_address(sender).is_private
    what = f"A request from {sender} came with X-Forwarded-For of {hops} address(es)"
    yield Finding(
        False if is_ours else None,
        f"{what}, TRUSTED_PROXIES is {settings.TRUSTED_PROXIES}",
        "Set TRUSTED_PROXIES to the number of proxies before us, or limits and logs go by the proxy's address. "
        "Without a proxy leave it: a client has sent that header itself.",
    )


def breakers() -> Iterator[Finding]:
    for name, number in resting().items():
        if number:
            what = f"{name} does not answer: {number} process(es) refuse calls to it and try again by themselves"
            yield Finding(False, what, "Is it down? Check network, proxy and firewall of this machine.")


def background_work() -> Iterator[Finding]:
    depths = heartbeat.queue_depths()
    for queue, age in heartbeat.ages_s(times.now().timestamp()).items():
        age_text = "never" if age is None else f"{age:.0f} s ago"
        what = f"Queue {queue}: its worker was last seen {age_text}; {depths[queue]} task(s) wait"
        remedy = f"`systemctl status spms-beat spms-worker@{queue}`; `make up` runs both. "
        remedy += "If they have just started, look again in ten seconds."
        yield Finding(heartbeat.is_alive(age), what, remedy)


def backups() -> Iterator[Finding]:
    is_bad = False if settings.PRODUCTION else None
    now, last, (has_archive, archived_at, is_failing) = times.now(), _last_backup(), _archiver()
    if last is None:
        yield Finding(is_bad, "No backup was ever written", _BACKUP_REMEDY)
    else:
        what = f"The last backup is {(now - last) / timedelta(hours=1):.1f} h old"
        yield Finding(now - last <= BASE_EVERY or is_bad, what, _BACKUP_REMEDY)
    if not has_archive:
        yield Finding(None, "PostgreSQL keeps no archive: what came after the last backup can be lost", _BACKUP_REMEDY)
    elif is_failing or not archived_at:
        yield Finding(False, f"PostgreSQL's archive takes nothing; the last time was {archived_at}", _BACKUP_REMEDY)


@metrics.register_samples
def ages() -> Iterator[Sample]:
    if last := _last_backup():
        yield "spms_backup_age_seconds", "Since the last backup", {}, (times.now() - last).total_seconds()
    has_archive, archived_at, _ = _archiver()
    if has_archive and archived_at:
        age_s = (times.now() - archived_at).total_seconds()
        yield "spms_archive_age_seconds", "Since PostgreSQL's archive took a piece of its log", {}, age_s


def _last_backup() -> datetime | None:
    return Backup.objects.order_by("-finished_at").values_list("finished_at", flat=True).first()


def _archiver() -> tuple[bool, datetime | None, bool]:
    with connection.cursor() as cursor:
        cursor.execute(_ARCHIVER)
        row: tuple[bool, datetime | None, bool] = cursor.fetchone()
        return row


CHECKS = (
    *(valkey_keeps, sentinels, database_room, database_spare, disk, nginx, interpreter),
    *(trusted_proxies, breakers, background_work, backups),
)
