"""What runs on which machine: the installation of docs/high-availability.md, with the files of ``deploy/``."""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import redis
import requests

from devstack.binaries import find_binaries
from tests.cluster.machines import HERE, NET, Machine

ROOT = Path(__file__).parents[2]
DATABASES, THIRD, APPS, CACHES, DOOR = (11, 12), 13, (21, 22), (31, 32), 41
PYTHON = sys.executable
SEARCH = os.pathsep.join(["/usr/bin", "/usr/sbin", "/bin", "/sbin"])
ENTRANCE = f"http://{NET}.{DOOR}"
DATABASE_URL = (
    f"postgresql://postgres:secret@{NET}.{DATABASES[0]},{NET}.{DATABASES[1]}/spms?target_session_attrs=read-write"
)
SENTINELS = [f"{NET}.{number}" for number in (THIRD, *APPS)]
PLAIN = {"PATH": SEARCH, "LC_ALL": "C.UTF-8"}


class Installation:
    """All machines of one installation, below ``home``."""

    def __init__(self, home: Path, merchant: dict[str, str]) -> None:
        home.chmod(0o755)
        self.home = home
        self.valkey = str(shutil.copy2(find_binaries().valkey, home / "valkey-server"))
        os.chmod(self.valkey, 0o755)
        self.postgres = self._postgres()
        self.app_environ = PLAIN | merchant | {
            "DJANGO_SETTINGS_MODULE": "config.settings.local",
            "DJANGO_SECRET_KEY": "x" * 50,
            "DATABASE_URL": DATABASE_URL,
            "REDIS_URL": f"sentinel://{','.join(SENTINELS)}/0?service=spms",
            "SANDBOX": "0",
            "DEMO_DATA": "0",
            "PUBLIC_BASE_URL": ENTRANCE,
            "TRUSTED_PROXIES": "1",
            "WEATHER_BASE_URL": f"http://{HERE}:9",
            "WECHAT_API_BASE_URL": f"http://{HERE}:9",
            "SMS_BASE_URL": f"http://{HERE}:9",
            "DB_POOL_SIZE": "12",
            "LOG_LEVEL": "ERROR",
            "PYTHONPATH": str(ROOT),
        }  # fmt: skip
        self.databases = [self._database(number) for number in DATABASES]
        self.caches = [self._cache(number) for number in CACHES]
        self.third = self._machine("third", THIRD)
        self._add_etcd(self.third)
        self._add_sentinel(self.third)
        self.apps = [self._app(number) for number in APPS]
        self.door = self._door()
        self.machines = [*self.databases, *self.caches, self.third, *self.apps, self.door]

    def _machine(self, name: str, number: int, **options) -> Machine:
        home = self.home / name
        home.mkdir()
        machine = Machine(name, number, home, environ=PLAIN | {"HOME": str(home)}, **options)
        if machine.account:
            shutil.chown(home, machine.account, "nogroup")
        return machine

    # --- PostgreSQL, Patroni, etcd ---
    def _postgres(self) -> Path:
        """Copy PostgreSQL where its account can run it; return the directory of its programs."""
        install = find_binaries().postgres.parent.parent
        target = self.home / "postgres" / install.parent.name / install.name
        leave_out = shutil.ignore_patterns("*.a", "pgxs", "pkgconfig", "include")
        shutil.copytree(install, target, ignore=leave_out)
        libraries = install.parent.with_name(f"{install.parent.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, target.parent.with_name(libraries.name))
        for path in (self.home / "postgres").rglob("*"):
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        return target / "bin"

    def _add_etcd(self, machine: Machine) -> None:
        peers = {f"etcd{number}": f"http://{NET}.{number}:2380" for number in (*DATABASES, THIRD)}
        here = f"http://{machine.address}"
        machine.programs["etcd"] = [
            *("etcd", "--name", f"etcd{machine.number}", "--data-dir", str(machine.home / "etcd")),
            *("--listen-client-urls", f"{here}:2379", "--advertise-client-urls", f"{here}:2379"),
            *("--listen-peer-urls", f"{here}:2380", "--initial-advertise-peer-urls", f"{here}:2380"),
            *("--initial-cluster", ",".join(f"{name}={url}" for name, url in peers.items())),
            *("--initial-cluster-state", "new", "--heartbeat-interval", "200", "--election-timeout", "2000"),
            *("--log-level", "error"),
        ]

    def _database(self, number: int) -> Machine:
        machine = self._machine(f"db{number}", number, account="nobody")
        self._add_etcd(machine)
        text = (ROOT / "deploy" / "patroni.yml").read_text("utf-8")
        for ours, theirs in {
            "NAME": machine.name,
            "ADDRESS": machine.address,
            "10.0.0.11": f"{NET}.{DATABASES[0]}",
            "10.0.0.12": f"{NET}.{DATABASES[1]}",
            "10.0.0.13": f"{NET}.{THIRD}",
            "10.0.0.0/24": f"{NET}.0/24",
            "/var/lib/postgresql/18/spms": str(machine.home / "data"),
            "/usr/lib/postgresql/18/bin": str(self.postgres),
            "/var/run/postgresql": str(machine.home),
            "PASSWORD": "secret",
        }.items():
            assert ours in text, ours
            text = text.replace(ours, theirs)
        (machine.home / "patroni.yml").write_text(text, "utf-8")
        machine.programs["patroni"] = ["patroni", str(machine.home / "patroni.yml")]
        return machine

    def role(self, machine: Machine) -> str:
        """Ask Patroni: primary, replica, sync_standby."""
        return requests.get(f"http://{machine.address}:8008/patroni", timeout=2).json()["role"]

    def primary_database(self) -> Machine:
        return next(m for m in self.databases if ask(f"http://{m.address}:8008/primary") == 200)

    # --- Valkey ---
    def _cache(self, number: int) -> Machine:
        machine = self._machine(f"valkey{number}", number)
        follows = ["--replicaof", f"{NET}.{CACHES[0]}", "6379"] if number != CACHES[0] else []
        machine.programs["valkey"] = [
            *(self.valkey, "--bind", machine.address, "--protected-mode", "no", "--dir", str(machine.home)),
            *("--appendonly", "yes", "--save", "", "--repl-timeout", "5", *follows),
        ]
        return machine

    def _add_sentinel(self, machine: Machine) -> None:
        conf = machine.home / "sentinel.conf"
        text = (ROOT / "deploy" / "sentinel.conf").read_text("utf-8")
        conf.write_text(text.replace("10.0.0.31", f"{NET}.{CACHES[0]}").replace("ADDRESS", machine.address), "utf-8")
        machine.programs["sentinel"] = [self.valkey, str(conf), "--sentinel"]

    def primary_cache(self) -> Machine:
        for address in SENTINELS:
            try:
                found = redis.Redis(
                    address, 26379, socket_timeout=1, decode_responses=True
                ).sentinel_get_master_addr_by_name("spms")
            except redis.RedisError:
                continue
            return next(m for m in self.caches if m.address == found[0])
        raise LookupError("no Sentinel answers")

    # --- the application ---
    def _app(self, number: int) -> Machine:
        machine = self._machine(f"app{number}", number)
        machine.environ = self.app_environ | {"STATE_DIR": str(machine.home / "state"), "MEDIA_ROOT": str(self.home)}
        (machine.home / "state").mkdir()
        run = [PYTHON, "-m"]
        celery = [*run, "celery", "-A", "config"]
        machine.programs |= {
            "web": [
                *(*run, "granian", "--interface", "wsgi", "--host", machine.address, "--port", "8001"),
                *("--workers", "1", "--blocking-threads", "8", "--http", "1", "--no-ws"),
                *("--respawn-failed-workers", "--log-level", "error", "--no-access-log", "config.wsgi:application"),
            ],
            "socket": [
                *(*run, "uvicorn", "--host", machine.address, "--port", "8002"),
                *("--ws", "accounts.socketio.lean:LeanProtocol", "--no-access-log", "--log-level", "error"),
                "config.asgi:application",
            ],
            "worker": [
                *(*celery, "worker", "-Q", "money,now,bulk", "--hostname", f"all@{machine.name}"),
                *("--pool", "threads", "--concurrency", "4", "--without-gossip", "--without-mingle"),
                *("--loglevel", "ERROR"),
            ],
            "beat": [*celery, "beat", "--pidfile=", "--loglevel", "ERROR"],
        }
        self._add_sentinel(machine)
        return machine

    def _door(self) -> Machine:
        machine = self._machine("door", DOOR)
        text = (ROOT / "deploy" / "haproxy.cfg").read_text("utf-8")
        for ours, theirs in {
            "10.0.0.21": f"{NET}.{APPS[0]}",
            "10.0.0.22": f"{NET}.{APPS[1]}",
            "bind :443 ssl crt /etc/haproxy/api.example.com.pem alpn h2,http/1.1": f"bind {machine.address}:80",
            "api.example.com": machine.address,
            "maxconn 20000": "maxconn 500",
        }.items():
            assert ours in text, ours
            text = text.replace(ours, theirs)
        (machine.home / "haproxy.cfg").write_text(text, "utf-8")
        machine.programs["haproxy"] = ["haproxy", "-db", "-f", str(machine.home / "haproxy.cfg")]
        return machine

    # --- all of it ---
    def is_whole(self) -> bool:
        """Whether every spare is in its place again."""
        roles = sorted(self.role(machine) for machine in self.databases)
        sync = psycopg.connect(DATABASE_URL.replace("/spms?", "/postgres?"), connect_timeout=2, autocommit=True)
        with sync:
            states = [row[0] for row in sync.execute("SELECT sync_state FROM pg_stat_replication")]
        cache = redis.Redis(self.primary_cache().address, socket_timeout=2).info("replication")
        return (
            roles == ["primary", "replica"]
            and "sync" in states
            and cache["role"] == "master"
            and cache["connected_slaves"] == 1
            and all(ask(f"http://{m.address}:8001/health/ready", Host=f"{NET}.{DOOR}") == 200 for m in self.apps)
        )


def ask(url: str, **headers: str) -> int:
    return requests.get(url, headers=headers, timeout=3).status_code


Fault = Callable[[Machine], None]
