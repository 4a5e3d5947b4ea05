"""Many small installations on one machine: one PostgreSQL, one PgBouncer and one Valkey for all, processes for each.

    python benchmarks/schools.py --schools 50

Each school has a database of its own behind the one pooler, three database numbers of the one Valkey, and processes of
its own: web with the sockets, and one worker of all queues with beat inside. Prints memory (PSS, by kind) and processor
time of a quiet minute. Stops starting schools where memory ends. Needs PgBouncer.
"""

import argparse
import os
import socket
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from tempfile import mkdtemp

import psutil
import psycopg
import redis

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.kit import engines, url_of  # noqa: E402
from devstack.binaries import find_binaries  # noqa: E402
from devstack.process import run_as  # noqa: E402
from devstack.supervisor import one_server  # noqa: E402
from devstack.system_user import account_for  # noqa: E402
from operations import units  # noqa: E402

QUIET_S = 60
LATE_S = 20
MIN_FREE_BYTES = 3 << 30  # the machine has other work
POOLER = """
[databases]
* = {server} pool_size=4
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
max_client_conn = 5000
server_idle_timeout = 30
max_prepared_statements = 200
"""


def commands(port: int) -> dict[str, list[str]]:
    """Return the processes of a small school: fewer, and with fewer threads, than the units of ``deploy`` start."""
    threads = ("--pool", "threads", "--concurrency", "2", "-B", "--loglevel", "ERROR")
    return {
        "web": one_server("--port", str(port), "--workers", "1"),
        "worker": units.command("worker@money,now,bulk", *threads),
    }


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [probe.getsockname()[1] for probe in probes]


def tree(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]


def measured(groups: dict[str, list[psutil.Process]]) -> tuple[Counter[str], Counter[str]]:
    """Return PSS in bytes and processor time in seconds since the start, by kind of process."""
    memory, cpu = Counter[str](), Counter[str]()
    for kind, mains in groups.items():
        for process in (one for main in mains for one in tree(main)):
            try:
                memory[kind] += process.memory_full_info().pss
                # The kernel's own account: work shorter than a tick is missing in the times that psutil reads.
                tasks = Path(f"/proc/{process.pid}/task").glob("*/schedstat")
                cpu[kind] += sum(int(task.read_text().split()[0]) for task in tasks) / 1e9
            except (psutil.NoSuchProcess, OSError):
                continue
    return memory, cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--schools", type=int, default=50)
    schools = parser.parse_args().schools
    home = Path(mkdtemp(prefix="spms-schools-"))
    home.chmod(0o755)
    cache_port, pooler_port = free_ports(2)
    with ExitStack() as stack:
        stack.enter_context(engines())

        def start(argv: list[str], **options) -> psutil.Process:
            options |= {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
            process = subprocess.Popen(argv, **options)
            stack.callback(process.wait)
            stack.callback(lambda: [one.kill() for one in tree(psutil.Process(process.pid))])
            return psutil.Process(process.pid)

        environ = os.environ | {
            "DJANGO_SETTINGS_MODULE": "config.settings.local", "DJANGO_SECRET_KEY": "x" * 50, "SANDBOX": "0",
            "DEMO_DATA": "0", "DB_POOLER": "transaction", "LOG_LEVEL": "ERROR", "PYTHONPATH": str(ROOT),
            "MALLOC_ARENA_MAX": "2",
        }  # fmt: skip
        facts = psycopg.conninfo.conninfo_to_dict(os.environ["DATABASE_URL"])
        (home / "pgbouncer.ini").write_text(
            POOLER.format(server=" ".join(f"{name}={value}" for name, value in facts.items() if name != "dbname"),
                          port=pooler_port)
        )  # fmt: skip
        cache = [str(find_binaries().valkey), "--port", str(cache_port), "--databases", str(3 * schools), "--save", ""]
        groups = {"Valkey": [start(cache, cwd=home)]}
        # The account of the embedded engines: their socket is for it alone, and PgBouncer refuses to run as root.
        account = account_for(home / "of-nobody")
        groups["PgBouncer"] = [start(["pgbouncer", str(home / "pgbouncer.ini")], cwd="/", **run_as(account))]
        # The first school's tables are copied for the others.
        migrated = environ | {"DATABASE_URL": url_of("school0"), "DB_POOLER": "none", "STATE_DIR": str(home / "0")}
        with psycopg.connect(url_of("postgres"), autocommit=True) as server:
            server.execute("CREATE DATABASE school0")
            for step in ("migrate", "seed_roles"):
                subprocess.run(
                    [sys.executable, "manage.py", step], cwd=ROOT, env=migrated, check=True, capture_output=True
                )
            for number in range(1, schools):
                server.execute(f"CREATE DATABASE school{number} TEMPLATE school0")
            postgres = server.execute("SELECT pg_backend_pid()").fetchone()[0]
        groups["PostgreSQL"] = [psutil.Process(postgres).parent()] if psutil.pid_exists(postgres) else []
        ports = free_ports(schools)
        for number in range(schools):
            if psutil.virtual_memory().available < MIN_FREE_BYTES:
                schools = number
                print("no memory for more")
                break
            own = environ | {
                "DATABASE_URL": f"postgresql://{facts['user']}@127.0.0.1:{pooler_port}/school{number}",
                "REDIS_URL": f"redis://127.0.0.1:{cache_port}/{3 * number}",
                "STATE_DIR": str(home / str(number)),
            }
            for kind, argv in commands(ports[number]).items():
                groups.setdefault(kind, []).append(start(argv, cwd=ROOT, env=own))
            if number % 5 == 4:
                time.sleep(8)  # starting takes 2.5 s of processor time each
        time.sleep(60)
        start_s, before = time.monotonic(), measured(groups)[1]
        time.sleep(QUIET_S)
        memory, after = measured(groups)
        seconds = time.monotonic() - start_s
        ages = [
            time.time() - float(redis.Redis(port=cache_port, db=3 * number).get("spms:heartbeat:money") or 0)
            for number in range(schools)
        ]
        print(f"{sum(age < LATE_S for age in ages)} of {schools} workers do what beat asks for")
        print(f"{schools} schools on {os.cpu_count()} cores, no requests for {QUIET_S} s")
        for kind in groups:
            count = len(groups[kind])
            used = (after[kind] - before[kind]) / seconds * 100
            each = memory[kind] / count / 2**20
            print(f"{kind:12}{count:4} × {each:7.1f} MB PSS, {used / count:6.2f} % of a core each")
        total, used = memory.total() / 2**20, (after.total() - before.total()) / seconds * 100
        print(f"together {total:.0f} MB, {used:.0f} % of a core")


if __name__ == "__main__":
    main()
