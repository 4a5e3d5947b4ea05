"""Install a release on a booted machine with ``deploy/install``, and buy there."""

import json
import math
import re
import secrets
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import requests
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import ClientConnection, connect

from tests.journeys.conftest import Running
from tests.processes import NO_UPSTREAMS, ROOT, until
from tests.upgrade.machine import Booted
from tests.upgrade.visitor import PatientWeChat, Visitor

PASSWORD = "upgrade-root-9"
BASE = "http://127.0.0.1:8160"
DATABASE = "postgresql://spms:spms@127.0.0.1:5433/spms"
VALKEY = "redis://127.0.0.1:6379/0"
START_S = 60
SCAN_S = 4  # after which a page must have been told: twice as long as a process of another release takes


def wheels_download(folder: Path, *commits: str) -> None:
    """Fetch what ``make install`` of these commits wants, because the booted machine has no way out."""
    command = [sys.executable, "-m", "pip", "download", "-qq", "-d", str(folder)]
    for commit in commits:
        names = folder / f"{commit}.txt"
        names.write_bytes(subprocess.check_output(["git", "show", f"{commit}:requirements.txt"], cwd=ROOT))
        subprocess.run([*command, "--no-deps", "--require-hashes", "-r", str(names)], check=True)
        # Some are no wheels yet: pip builds them with these.
        subprocess.run([*command, "setuptools", "wheel"], check=True)
        (folder / f"{commit}.done").touch()


class Shop:
    """The installation, its provider of payments, and what its clients were told."""

    def __init__(self, machine: Booted, wechat: PatientWeChat, wheels: Path) -> None:
        self.machine, self.wechat = machine, wechat
        self.offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)}
        self.wheels, self.state = wheels, wheels.parent
        (self.state / "engines.json").write_text(json.dumps({"REDIS_URL": VALKEY}), "utf-8")
        self.version = sorted(path.name for path in (machine.root / "usr/lib/postgresql").iterdir())[-1]
        self.cluster = f"postgresql@{self.version}-spms"
        self.pays = True  # else buyers only begin to
        self.started: list[str] = []  # orders that WeChat Pay knows
        self.placed: list[str] = []  # orders that a buyer was told of
        self.paid: list[str] = []  # whose notice was acknowledged, too
        self.refused: Counter[str] = Counter()
        self.scans: list[float] = []  # how long a page waited for the news of each; infinity: it is still waiting
        self.cut = 0  # scans of which the page heard nothing because its socket ended, and it shows another code
        self.lock = threading.Lock()

    def wheels_wait(self, commit: str) -> None:
        assert until((self.wheels / f"{commit}.done").exists, 300), "the wheels were not downloaded"

    def install(self, commit: str) -> None:
        """Do what ``deploy/install`` does, on a machine that has the packages."""
        machine, run = self.machine, self.machine.run
        run("pg_createcluster", self.version, "spms", "--port=5433", "--", "--auth-host=scram-sha-256")
        run("systemctl", "start", self.cluster)
        from devstack.engines import programs_for

        valkey = machine.root / "usr/local/bin/valkey-server"
        valkey.write_bytes(programs_for(None, Path()).valkey.read_bytes())
        valkey.chmod(0o755)
        run("systemd-run", "--unit=valkey", "/usr/local/bin/valkey-server", "--port", "6379", "--appendonly", "no")
        machine.write(
            "/usr/local/bin/sudo", "#!/bin/sh", 0o755
        )  # for the document's lines; no step of the script uses it
        run("rm", "-f", "/etc/systemd/system/nginx.service", "/etc/nginx/sites-enabled/default", "/etc/pgbackrest.conf")
        run("systemctl", "daemon-reload")

        run("git", "clone", "-q", "--no-hardlinks", str(ROOT), "/opt/spms")
        run("git", "-C", "/opt/spms", "checkout", "-q", commit)
        self._configure()
        machine.write("/root/answers", f"CERTIFICATE=self\nROOT_PASSWORD='{PASSWORD}'\n", 0o600)
        script = ("bash", str(ROOT / "deploy/install"), "--yes", "/root/answers")
        self.wheels_wait(commit)
        begun = time.monotonic()
        print(run(*script, env=self.offline))
        print(f"=== installed after {time.monotonic() - begun:.0f} s", flush=True)
        before = self._traces()
        again = run(*script, env=self.offline)
        changes = set(self._traces()) - set(before)
        assert not changes, f"installed again, it is another one: {changes}\n{again}"
        self._nginx()
        self.until_up()

    def _traces(self) -> list[str]:
        """What another run of the script must leave as it is."""
        names = ("spms-web", "spms-socket", "spms-worker@*", "spms-beat", self.cluster)
        services = self.machine.run("systemctl", "show", *names, "--property=Id,MainPID")
        places = "systemd/system spms nginx letsencrypt pgbackrest.conf postgresql"
        files = self.machine.run("sh", "-c", f"cd /etc && find {places} -type f | xargs sha256sum")
        return (services + files).splitlines()

    def _configure(self) -> None:
        machine = self.machine
        keys = machine.root / "etc/spms/keys"
        keys.mkdir(parents=True)
        merchant = self.wechat.merchant(keys)
        merchant |= {name: value.removeprefix(str(machine.root)) for name, value in merchant.items() if "FILE" in name}
        for path in keys.iterdir():
            path.chmod(0o644)
        lines = machine.read("/opt/spms/deploy/systemd/spms.env.example").splitlines()
        facts = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
        facts |= merchant | NO_UPSTREAMS | {
            "DJANGO_SECRET_KEY": secrets.token_urlsafe(50), "DATABASE_URL": DATABASE,
            "REDIS_URL": VALKEY, "ORDERS_MINUTE_MAX": "9999", "WECHAT_APP_SECRET": "secret", "ADMIN_TOTP": "optional",
        }  # fmt: skip
        machine.write("/etc/spms/spms.env", "".join(f"{name}='{value}'\n" for name, value in facts.items()), 0o600)

    def _nginx(self) -> None:
        """Change the nginx file as only this machine needs it: another port, and no certificate."""
        machine, text = self.machine, self.machine.read("/opt/spms/deploy/nginx.conf")
        lines = [line for line in text.splitlines() if "ssl_certificate" not in line]
        text = "\n".join(lines).replace("listen 443 ssl http2;", f"listen {BASE.removeprefix('http://')};")
        text = text.replace("X-Forwarded-Proto $scheme", "X-Forwarded-Proto https")
        machine.write("/etc/nginx/sites-available/spms", text + "\n")
        machine.run("systemctl", "reload", "nginx")

    def manage(self, *words: str, stdin: str = "", ok: bool = True, **more: str) -> str:
        env = dict(line.split("=", 1) for line in self.machine.read("/etc/spms/spms.env").splitlines())
        env = {name: value.strip("'") for name, value in env.items()} | more
        command = ("runuser", "-u", "spms", "--", "/opt/spms/.venv/bin/python", "/opt/spms/manage.py", *words)
        return self.machine.run(*command, env=env, stdin=stdin, ok=ok)

    def sql(self, *statements: str, database: str = "postgres") -> list[str]:
        command = [word for statement in statements for word in ("-c", statement)]
        program = ("psql", "-p", "5433", "-qAt", "-d", database)
        return self.machine.run("runuser", "-u", "postgres", "--", *program, *command).split()

    def until_up(self) -> None:
        is_up = until(lambda: requests.get(f"{BASE}/health/ready", timeout=5).ok, START_S)
        assert is_up, self.machine.run("journalctl", "-n", "60", "--no-pager", ok=False)

    # --- traffic ---
    def until_orders(self, number: int) -> None:
        """Wait until so many more are paid, however busy the machine is."""
        paid = len(self.paid)
        assert until(lambda: len(self.paid) >= paid + number, START_S), dict(self.refused)

    def visitor(self) -> Visitor:
        return Visitor(Running(BASE, self.state, PASSWORD, print), self.wechat)

    @contextmanager
    def visited(self, buyers: int) -> Iterator[None]:
        """Let people buy and pay all the time."""
        world = self.visitor()
        product = world.made_product(inventory=99_999)
        over = threading.Event()
        tokens = [world.log_in(world.new_user()) for _ in range(buyers)]
        threads = [threading.Thread(target=self._buyer, args=(over, token, product)) for token in tokens]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            over.set()
            for thread in threads:
                thread.join()

    @contextmanager
    def scanned(self) -> Iterator[None]:
        """Let a page show codes that are scanned all the time. Each of our services waits for it before it ends."""
        over = threading.Event()
        thread = threading.Thread(target=self._screen, args=(over,))
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _buyer(self, over: threading.Event, token: str, product: str) -> None:
        while not over.wait(0.1):
            order = self._ask("/pay/pre_order", token, product_id=product, quantity=1).get("order_id")
            if not order:
                continue
            with self.lock:
                self.placed.append(order)
            if not self._ask("/pay/payment", token, order_id=order).get("code_url"):
                continue
            with self.lock:
                self.started.append(order)
            if not self.pays:
                continue
            self.wechat.pay(order)
            notice = self._send("/pay/payResult", {"Content-Type": "text/xml"}, data=self.wechat.notice_v2(order))
            if notice and b"SUCCESS" in notice.content:
                with self.lock:
                    self.paid.append(order)

    def _screen(self, over: threading.Event) -> None:
        """Show codes of the scan login on a page, which connects again when its server goes."""
        while not over.is_set():
            lost = suppress(OSError, InvalidHandshake, ConnectionClosed)
            with lost, connect(BASE.replace("http", "ws") + "/ws/login") as page:
                sid = json.loads(page.recv(SCAN_S))["data"]["sid"]
                while not over.wait(0.3):
                    self._scan(page, sid)

    def _scan(self, page: ClientConnection, sid: str) -> None:
        code = requests.get(f"{BASE}/users/getQrcode", {"sid": sid}, timeout=30).json()
        if not code["state"]:
            page.recv(SCAN_S)  # the sid has ended, and so has the socket
        begun = time.monotonic()
        scan = {"code": secrets.token_hex(8), "state": re.findall(r"state=(\w+)", code["scanCodeUrl"])[0]}
        if not requests.get(f"{BASE}/users/wechatCallBack", scan, timeout=30).json()["state"]:
            return  # the phone is told so
        try:
            page.recv(SCAN_S)
            self.scans.append(time.monotonic() - begun)
        except TimeoutError:
            self.scans.append(math.inf)
        except ConnectionClosed:
            self.cut += 1
            raise

    def _ask(self, path: str, token: str, **data: object) -> dict[str, str]:
        answer = self._send(path, {"authorization": token}, json=data)
        return answer.json() if answer else {}

    def _send(self, path: str, headers: dict[str, str], **body: Any) -> requests.Response | None:
        try:
            answer = requests.post(BASE + path, headers=headers, timeout=30, **body)
            answer.raise_for_status()
            return answer
        except requests.RequestException as error:
            text = error.response.text[:200] if error.response is not None else ""
            with self.lock:
                self.refused[f"{path} {error} {text}"[:300]] += 1
            return None

    def lost(self) -> list[str]:
        """Name the orders that clients know and the database does not."""
        orders, paid = self.stored()
        losses = [f"order {order}" for order in self.placed if order not in orders]
        return losses + [f"payment of {order}" for order in self.paid if order not in paid]

    def stored(self) -> tuple[set[str], set[str]]:
        """The orders of the database, and those that are paid."""
        orders = self.sql("SELECT order_id FROM shop_order", database="spms")
        return set(orders), set(self.sql("SELECT order_id FROM shop_order WHERE pay_status = 1", database="spms"))
