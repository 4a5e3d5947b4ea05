"""What ``manage.py doctor`` finds about the servers around us: room, limits, backups, restarts.

pgBackRest writes base backups and the archive (docs/operations.md). Its unit adds a ``Backup`` when a base backup is
finished; only without it `manage.py backup` adds one, because the file of an upgrade must not hide that pgBackRest is
dead. PostgreSQL itself keeps when the archive took the last piece of its log.
"""

import os
import re
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from socket import gethostname

from django.conf import settings
from django.db import connection

from core import times
from core.cache import valkey
from core.findings import Finding
from core.models import Backup
from core.observe import heartbeat, metrics
from core.observe.metrics import Sample
from operations.locks import locks
from operations.units import NAME

MIN_FREE_BYTES = 1 << 30
MIN_WORKER_CONNECTIONS = 4096  # nginx needs two for each socket, and Debian's default is 768
NGINX_CONF, PGBACKREST_CONF = Path("/etc/nginx/nginx.conf"), Path("/etc/pgbackrest.conf")
VMSTAT, BOOT = Path("/proc/vmstat"), Path("/proc/sys/kernel/random/boot_id")
BASE_EVERY = timedelta(hours=26)  # a night's backup, and time for it
_BACKUP_REMEDY = "见 docs/operations.md；在数据库那台机器上：journalctl -u spms-backup，pgbackrest check。"
_ARCHIVER = """
SELECT current_setting('archive_mode') <> 'off', last_archived_time,
    coalesce(last_failed_time > last_archived_time, false)
FROM pg_stat_archiver
"""


def valkey_keeps() -> Iterator[Finding]:
    """Check what Valkey throws away when its memory is full, and what it still has after a restart."""
    info = valkey.client().info()
    policy, do = info["maxmemory_policy"], "设 maxmemory-policy noeviction：任务的队列也在里面。"
    yield Finding("valkey memory", policy == "noeviction", f"Valkey 的 maxmemory-policy 是 {policy}", do)
    if not info["aof_enabled"]:
        is_bad = False if settings.DEPLOYED else None
        yield Finding("valkey restart", is_bad, "Valkey 重启之后数据就没有了", "设 appendonly yes。")


def database_room() -> Iterator[Finding]:
    """Compare PostgreSQL's ``max_connections`` with what is used."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int,"
            " (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')"
        )
        room, number = cursor.fetchone()
    do = "调大 max_connections，或调小 DB_POOL_SIZE。"
    yield Finding("connections", number < room * 0.8, f"PostgreSQL 的 {room} 个连接用了 {number} 个", do)


def disk() -> Iterator[Finding]:
    for path in {Path(settings.STATE_DIR), Path(settings.STATIC_ROOT)}:
        free = shutil.disk_usage(path).free
        what = f"{path} 所在的磁盘还剩 {free >> 20} MB"
        yield Finding(f"disk {gethostname()} {path}", free >= MIN_FREE_BYTES, what, "在磁盘满之前腾出空间。")
    if not os.access(state := settings.STATE_DIR, os.W_OK | os.X_OK, effective_ids=True):
        do = f"`chown -R {os.geteuid()}:{os.getegid()} {state}`"
        yield Finding(f"state {gethostname()}", False, f"服务的用户写不了 {state}", do)


def nginx() -> Iterator[Finding]:
    """Check how many sockets an nginx on this machine can carry."""
    if not settings.DEPLOYED or not NGINX_CONF.is_file():
        return
    text = NGINX_CONF.read_text("utf-8", "replace")
    figures = dict(re.findall(r"^\s*(worker_connections|worker_rlimit_nofile)\s+(\d+)", text, re.M))
    # Each connection is an open file, of which systemd allows nginx 1024.
    number = min(int(figures.get("worker_connections", 512)), int(figures.get("worker_rlimit_nofile", 1024)))
    what, do = f"nginx 每个 worker 最多 {number} 个连接", f"在 {NGINX_CONF} 里调大（docs/going-live.md）。"
    yield Finding(f"nginx {gethostname()}", number >= MIN_WORKER_CONNECTIONS, what, do)


def memory() -> Iterator[Finding]:
    """Say whether the kernel has killed processes for want of memory since the first look of the day.

    systemd and Granian start them again within seconds, so nothing else shows it.
    """
    if not VMSTAT.is_file():
        return  # not on Linux
    count = int(dict(line.split() for line in VMSTAT.read_text("ascii").splitlines()).get("oom_kill", 0))
    client, key = valkey.client(), f"spms:oom-kills:{BOOT.read_text('ascii').strip()}"
    client.set(key, count, nx=True, ex=timedelta(days=1))
    if (more := count - int(client.get(key) or count)) > 0:
        what, do = f"内存不够，内核一天之内杀掉了 {more} 个进程", "哪些：`journalctl -k --grep 'Killed process'`。"
        yield Finding(f"memory {gethostname()}", False, what, do, number=more)


def background_work() -> Iterator[Finding]:
    depths = heartbeat.queue_depths()
    for queue, age in heartbeat.ages_s(times.now().timestamp()).items():
        seen = "从来没有" if age is None else f"{age:.0f} 秒之前"
        what = f"队列 {queue}：worker 上一次的动静：{seen}；{depths[queue]} 个任务在等"
        unit = f"{NAME}-worker@{queue}" if depths[queue] else f"{NAME}-beat"  # where nothing waits, nothing is sent
        do = f"`systemctl restart {unit}`，开发时由 `make up` 运行。刚启动的话十秒之后再看。"
        yield Finding(f"queue {queue}", heartbeat.is_alive(age), what, do)


def backups() -> Iterator[Finding]:
    is_bad = False if settings.DEPLOYED else None
    now, last, (has_archive, archived_at, is_failing) = times.now(), _last_backup(), _archiver()
    if last is None:
        yield Finding("backup", is_bad, "从来没有备份过", _BACKUP_REMEDY)
    else:
        what = f"最近一次备份是 {(now - last) / timedelta(hours=1):.1f} 小时之前"
        yield Finding("backup", now - last <= BASE_EVERY or is_bad, what, _BACKUP_REMEDY)
    if not has_archive:
        what = "PostgreSQL 没有归档：最近一次备份之后的数据可能丢失"
        # A new PostgreSQL may have lost the archive's settings.
        yield Finding("archive", is_bad if PGBACKREST_CONF.is_file() else None, what, _BACKUP_REMEDY)
    elif is_failing or not archived_at:
        what = f"PostgreSQL 的归档不成功；上一次成功：{archived_at}"
        yield Finding("archive", False, what, _BACKUP_REMEDY)


def has_pgbackrest() -> bool:
    """Tell whether PostgreSQL archives with pgBackRest: then only its base backups count."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('archive_command') LIKE '%pgbackrest%'")
        return bool(cursor.fetchone()[0])


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
    *(valkey_keeps, database_room, locks, disk, nginx, memory),
    *(background_work, backups),
)
