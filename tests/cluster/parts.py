"""What runs on which machine: the installation of docs/high-availability.md, with the files of ``deploy/``."""

import csv
import os
import pwd
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import redis
import requests

from devstack.engines import programs_for
from devstack.process import Account
from operations import units
from tests.cluster.machines import HERE, NET, Machine, disk
from tests.kit import deployed
from tests.processes import ROOT, until

DATABASES, THIRD, APPS, CACHES, DOORS, BUCKET = (11, 12), 13, (21, 22), (31, 32), (41, 42), 51
SHARED = 40  # the address of whichever entrance is active
PYTHON = sys.executable
SEARCH = os.pathsep.join(["/usr/bin", "/usr/sbin", "/bin", "/sbin"])
ENTRANCE = f"http://{NET}.{SHARED}"
BUCKET_URL = f"http://{NET}.{BUCKET}:9000"
PASSWORD = "secret"
DATABASES_ACCOUNT = "nobody"
DATABASE_URL = (
    f"postgresql://postgres:{PASSWORD}@{NET}.{DATABASES[0]},{NET}.{DATABASES[1]}/spms?target_session_attrs=read-write"
)
WITNESSES = (THIRD, *APPS)  # where etcd and Sentinel run
SENTINELS = [f"{NET}.{number}" for number in WITNESSES]
PLAIN = {"PATH": SEARCH, "LC_ALL": "C.UTF-8"}
# What a new release restarts on a machine of the application.
RELEASED = ("web", "socket", "worker", "beat")


class Installation:
    """All machines of one installation, below ``home``."""

    def __init__(self, home: Path, upstreams: dict[str, str]) -> None:
        home.chmod(0o755)
        self.home = home
        self.uses_bucket = False
        programs = programs_for(Account(*pwd.getpwnam(DATABASES_ACCOUNT)[2:4]), home)
        self.valkey, self.postgres = str(programs.valkey), programs.postgres.parent
        self.slow_disk = home / "slow_fsync.so"
        source = ROOT / "tests/cluster/slow_fsync.c"
        subprocess.run(["cc", "-shared", "-fPIC", "-o", self.slow_disk, source], check=True)
        self.pictures = home / "pictures"
        disk(self.pictures)
        self.app_environ = PLAIN | {
            "DJANGO_SETTINGS_MODULE": "config.settings.local",
            "DJANGO_SECRET_KEY": "x" * 50,
            "DATABASE_URL": DATABASE_URL,
            "REDIS_URL": f"sentinel://:{PASSWORD}@{','.join(SENTINELS)}/0?service=spms",
            "SANDBOX": "0",
            "DEMO_DATA": "0",
            "ORDERS_OPEN_MAX": "100000",  # few buyers, many orders
            "ORDERS_EXPIRED_MAX": "100000",
            "ORDERS_MINUTE_MAX": "100000",
            "PUBLIC_BASE_URL": ENTRANCE,
            "TRUSTED_PROXIES": "1",
            "WEATHER_BASE_URL": f"http://{HERE}:9",
            "SMS_BASE_URL": f"http://{HERE}:9",
            "WECHAT_QR_TTL": "15s",
            # A folder that both machines have mounted.
            "MEDIA_ROOT": str(self.pictures),
            "MEDIA_FREE_MB": "0",
            "DB_POOL_SIZE": "12",
            "LOG_LEVEL": "ERROR",
            "PYTHONPATH": str(ROOT),
        } | upstreams  # fmt: skip
        self.databases = [self._database(number) for number in DATABASES]
        self.caches = [self._cache(number) for number in CACHES]
        self.third = self._machine("third", THIRD)
        self._add_etcd(self.third)
        self._add_sentinel(self.third)
        self.apps = [self._app(number) for number in APPS]
        self.doors = [self._door(number) for number in DOORS]
        self.bucket = self._bucket()
        self.machines = [*self.databases, *self.caches, self.third, *self.apps, *self.doors, self.bucket]

    def _machine(self, name: str, number: int, **options) -> Machine:
        home = self.home / name
        disk(home)
        machine = Machine(name, number, home, environ=PLAIN | {"HOME": str(home)}, **options)
        if machine.account:
            shutil.chown(home, machine.account, "nogroup")
        return machine

    # --- PostgreSQL, Patroni, etcd ---
    def _add_etcd(self, machine: Machine) -> None:
        self._configure(machine, "etcd.env", {"/var/lib/etcd/spms": str(machine.home / "etcd")}, *WITNESSES)
        lines = (machine.home / "etcd.env").read_text("utf-8").splitlines()
        machine.environ |= dict(line.split("=", 1) for line in lines if not line.startswith("#"))
        machine.programs["etcd"] = ["etcd", "--log-level", "error"]

    def _database(self, number: int) -> Machine:
        machine = self._machine(f"db{number}", number, account=DATABASES_ACCOUNT)
        changes = {
            "NAME": machine.name,
            "PASSWORD": PASSWORD,
            "10.0.0.0/24": f"{NET}.0/24",
            "/var/lib/postgresql/18/spms": str(machine.home / "data"),
            "/usr/lib/postgresql/18/bin": str(self.postgres),
            "/var/run/postgresql": str(machine.home),
        }
        self._configure(machine, "patroni.yml", changes, *WITNESSES)
        machine.programs["patroni"] = ["patroni", str(machine.home / "patroni.yml")]
        machine.environ |= {"LD_PRELOAD": str(self.slow_disk), "FSYNC_WAITS": str(machine.home / "fsync-waits")}
        return machine

    def role(self, machine: Machine) -> str:
        """Ask Patroni: primary, replica, sync_standby."""
        return requests.get(f"http://{machine.address}:8008/patroni", timeout=2).json()["role"]

    def primary_database(self) -> Machine:
        return next(m for m in self.databases if ask(f"http://{m.address}:8008/primary") == 200)

    def standby_database(self) -> Machine:
        primary = self.primary_database()
        return next(m for m in self.databases if m is not primary)

    # --- Valkey ---
    def _cache(self, number: int) -> Machine:
        machine = self._machine(f"valkey{number}", number)
        follows = ["--replicaof", f"{NET}.{CACHES[0]}", "6379"] if number != CACHES[0] else []
        machine.programs["valkey"] = [
            *(self.valkey, "--bind", machine.address, "--protected-mode", "no", "--dir", str(machine.home)),
            *("--appendonly", "yes", "--save", "", "--repl-timeout", "5", *follows),
            *("--requirepass", PASSWORD, "--masterauth", PASSWORD),
        ]
        return machine

    def _add_sentinel(self, machine: Machine) -> None:
        self._configure(machine, "sentinel.conf", {"PASSWORD": PASSWORD}, CACHES[0])
        machine.programs["sentinel"] = [self.valkey, str(machine.home / "sentinel.conf"), "--sentinel"]

    def primary_cache(self) -> Machine:
        for address in SENTINELS:
            try:
                sentinel = redis.Redis(address, 26379, socket_timeout=1, decode_responses=True)
                host, _ = sentinel.sentinel_get_master_addr_by_name("spms")
            except redis.RedisError:
                continue
            return next(m for m in self.caches if m.address == host)
        raise LookupError("no Sentinel answers")

    # --- the application ---
    def _app(self, number: int) -> Machine:
        machine = self._machine(f"app{number}", number)
        places = {"STATE_DIR": str(machine.home / "state"), "TMPDIR": str(machine.home / "tmp")}
        machine.environ = units.environment("web") | self.app_environ | places
        for name in ("state", "tmp"):
            (machine.home / name).mkdir()
        # Fewer processes than the units start: ten machines share the cores of this one.
        worker = ("--hostname", f"all@{machine.name}", "--pool", "threads", "--concurrency", "4", "--loglevel", "ERROR")
        machine.programs |= {
            "web": units.command("web", "--host", machine.address, "--workers", "1"),
            "socket": units.command("socket", "--host", machine.address),
            "worker": units.command("worker@money,now,bulk", *worker),
            "beat": units.command("beat", "--loglevel", "ERROR"),
        }
        self._add_etcd(machine)
        self._add_sentinel(machine)
        return machine

    # --- the entrances ---
    def _door(self, number: int) -> Machine:
        machine = self._machine(f"door{number}", number)
        changes = {
            "bind :80\n": "bind :81\n",
            "bind :443 ssl crt /etc/haproxy/api.example.com.pem alpn h2,http/1.1": "bind :80",
            "api.example.com": f"{NET}.{SHARED}",
            "maxconn 20000": "maxconn 500",
            "/run/haproxy/admin.sock": str(machine.home / "admin.sock"),
        }
        self._configure(machine, "haproxy.cfg", changes, *APPS)
        (other,) = set(DOORS) - {number}
        self._configure(machine, "keepalived.conf", {"OTHER": f"{NET}.{other}", ":80/": ":81/"}, SHARED)
        machine.programs["haproxy"] = ["haproxy", "-db", "-f", str(machine.home / "haproxy.cfg")]
        files = [("-f", "keepalived.conf"), *((f"-{letter}", f"keepalived-{letter}.pid") for letter in "prcb")]
        paths = [word for option, name in files for word in (option, str(machine.home / name))]
        machine.programs["keepalived"] = ["keepalived", "--dont-fork", "--log-console", "--vrrp", *paths]
        return machine

    def _configure(self, machine: Machine, name: str, changes: dict[str, str], *numbers: int) -> None:
        """Write one of the files of ``deploy/ha`` with this network's names, and addresses of machines by number."""
        addresses = {f"10.0.0.{number}": f"{NET}.{number}" for number in numbers}
        own = {} if name == "haproxy.cfg" else {"ADDRESS": machine.address}
        (machine.home / name).write_text(deployed(f"ha/{name}", changes | addresses | own), "utf-8")

    def active_door(self) -> Machine:
        return next(m for m in self.doors if m.has(f"{NET}.{SHARED}"))

    # --- upkeep ---
    def balancers(self, command: str) -> list[str]:
        """Say something to each HAProxy as its administrator, and return what they answer."""
        return [self._balancer(door, command) for door in self.doors]

    def _balancer(self, door: Machine, command: str) -> str:
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(str(door.home / "admin.sock"))
            line.sendall(f"{command}\n".encode())
            return b"".join(iter(lambda: line.recv(65536), b"")).decode()

    def _servers(self, app: Machine) -> list[dict[str, str]]:
        """Return the figures of this machine, by backend and HAProxy."""
        place = self.apps.index(app) + 1
        tables = [csv.DictReader(text.lstrip("# ").splitlines()) for text in self.balancers("show stat")]
        return [row for rows in tables for row in rows if row["svname"] in (f"web{place}", f"socket{place}")]

    def roll(self, app: Machine, **environ: str) -> None:
        """Restart a machine of the application as docs/operations.md says: first the balancers send it nothing more."""
        place = self.apps.index(app) + 1
        for server in (f"web/web{place}", f"socket/socket{place}"):
            self.balancers(f"set server {server} state drain")
        awaited(
            lambda: not any(int(s["scur"]) for s in self._servers(app) if s["pxname"] != "socket"), "its answers", 40
        )
        app.environ |= environ
        app.restart(*RELEASED)
        awaited(lambda: self.is_up(app), f"{app.name} after its restart", 120)
        for server in (f"web/web{place}", f"socket/socket{place}"):
            self.balancers(f"set server {server} state ready")
        awaited(lambda: all(s["status"] in ("UP", "no check") for s in self._servers(app)), "both in the balance", 30)

    def is_up(self, app: Machine) -> bool:
        return all(
            ask(f"http://{app.address}:{port}/health/ready", Host=f"{NET}.{SHARED}") == 200 for port in (8001, 8002)
        )

    # --- pictures in a bucket instead of the folder ---
    def _bucket(self) -> Machine:
        machine = self._machine("bucket", BUCKET)
        machine.programs["s3"] = [PYTHON, "-m", "moto.server", "--host", machine.address, "--port", "9000"]
        return machine

    def bucket_use(self) -> None:
        self.bucket.start()
        awaited(lambda: requests.put(f"{BUCKET_URL}/pictures", timeout=3).ok, "a bucket")
        access = {"REGION": "us-east-1", "ACCESS_KEY": "key", "SECRET_KEY": "secret"}
        facts = access | {"BUCKET": "pictures", "ENDPOINT": BUCKET_URL}
        for app in self.apps:
            self.roll(app, MEDIA_STORAGE="s3", **{f"MEDIA_S3_{name}": value for name, value in facts.items()})
        self.uses_bucket = True

    def bucket_leave(self) -> None:
        for app in self.apps:
            self.roll(app, MEDIA_STORAGE="local")
        self.uses_bucket = False

    # --- all of it ---
    def tend(self) -> None:
        for machine in self.machines:
            machine.tend()

    def is_whole(self) -> bool:
        """Whether every spare is in its place again."""
        self.tend()
        has_one_door = sum(door.has(f"{NET}.{SHARED}") for door in self.doors) == 1
        return has_one_door and self._has_standby() and self._has_cache_standby() and all(map(self.is_up, self.apps))

    def _has_standby(self) -> bool:
        roles = sorted(self.role(machine) for machine in self.databases)
        sync = psycopg.connect(DATABASE_URL.replace("/spms?", "/postgres?"), connect_timeout=2, autocommit=True)
        with sync:
            states = [row[0] for row in sync.execute("SELECT sync_state FROM pg_stat_replication")]
        return roles == ["primary", "replica"] and "sync" in states

    def _has_cache_standby(self) -> bool:
        cache = redis.Redis(self.primary_cache().address, password=PASSWORD, socket_timeout=2).info("replication")
        return cache["role"] == "master" and cache["connected_slaves"] == 1


def ask(url: str, **headers: str) -> int:
    return requests.get(url, headers=headers, timeout=3).status_code


def awaited(happens: Callable[[], object], what: str, timeout_s: float = 90) -> float:
    """Wait until ``happens()`` is true and return how long that took (s)."""
    start = time.monotonic()
    assert until(happens, timeout_s), f"{what} did not happen within {timeout_s:.0f} s"
    return time.monotonic() - start
