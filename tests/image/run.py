"""Build the images of ``deploy/``, go from login to refund with the services of compose.yaml, and live at home.

    python -m tests.image.run [--storage FOLDER] [--port 8150]       # root; needs buildah, podman and debootstrap
    python -m tests.image.run --build                                # only the images, which the next run then has

The base is a Debian of debootstrap under the official name, because no registry is asked here. Kept in FOLDER, it is
made once. Beside production's containers run a PostgreSQL, a Valkey and a WeChat Pay of the test. Not tried: the images
of PostgreSQL, Valkey and nginx, the Compose program itself, and the limits of memory and processes.
"""

import argparse
import io
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import requests
import yaml

from devstack.engines import Engines
from payments.tests.fake_wechat import WeChat
from tests.concurrency.network import HERE, THERE, ip, second_machine
from tests.journeys.conftest import Running
from tests.journeys.test_document import World
from tests.processes import NO_UPSTREAMS, ROOT, until
from tests.upgrade.visitor import Visitor

BASE = "docker.io/library/python:3.13-slim-trixie"
# Each target of the Containerfile with the size that it may have.
MAX_MB = {"spms": 300, "spms-home": 350}
HOME_START_S = 60  # 10 to 22 s on two quiet cores, 29 s on busy ones
# vfs where overlays cannot be mounted; it copies the image for each container.
DRIVER = os.environ.get("STORAGE_DRIVER", "overlay")
START_S = 180
DOMAIN, PASSWORD = "api.example.com", "of-the-image-test-1"
# What a base image has no use for.
SUPERFLUOUS = (
    "var/cache/apt",
    "var/lib/apt/lists",
    "usr/share/doc",
    "usr/share/info",
    "usr/share/locale",
    "usr/share/man",
)
SERVICES = ("web", "socket", "worker-money", "worker-now", "worker-bulk", "beat", "doctor")


class Tools:
    """buildah and podman with a storage of their own."""

    def __init__(self, storage: Path) -> None:
        self.storage = storage
        places = {"--root": storage / "storage", "--runroot": storage / "run", "--storage-driver": DRIVER}
        self.options = [str(word) for pair in places.items() for word in pair]

    def __call__(self, program: str, *words: str, **options: Any) -> str:
        return subprocess.check_output([program, *self.options, *words], text=True, **options).strip()

    def base_make(self) -> None:
        if BASE in self("buildah", "images", "--format", "{{.Name}}:{{.Tag}}").split():
            return
        root = self.storage / "root"
        packages = "python3,python3-venv,python-is-python3,ca-certificates"
        subprocess.run(["debootstrap", "--variant=minbase", f"--include={packages}", "trixie", root], check=True)
        for name in SUPERFLUOUS:
            shutil.rmtree(root / name)
            (root / name).mkdir()
        container = self("buildah", "from", "scratch")
        self("buildah", "copy", "-q", container, str(root), "/")
        self("buildah", "commit", "-q", "--rm", container, BASE)
        shutil.rmtree(root)

    def images_make(self) -> None:
        words = ["-q", "--layers", "--isolation", "chroot", "--pull-never", "-f", "deploy/Containerfile"]
        for name, kind in {"nofile": resource.RLIMIT_NOFILE, "nproc": resource.RLIMIT_NPROC}.items():
            words += ["--ulimit", "{}={}:{}".format(name, *resource.getrlimit(kind))]
        # Certificates of the machine, which may trust a mirror of its own.
        words += ["--volume", "/etc/ssl/certs:/etc/ssl/certs:ro"]
        for name, most in MAX_MB.items():
            target = ["--target", "home"] if name == "spms-home" else []
            self("buildah", "bud", *words, *target, "-t", name, ".", cwd=ROOT)
            size = int(self("podman", "image", "inspect", name, "--format", "{{.Size}}")) // 2**20
            print(f"The image {name} has {size} MB.", flush=True)
            assert size < most


class Compose:
    """The services of compose.yaml, each started by podman."""

    def __init__(self, tools: Tools, home: Path, environ: dict[str, str], engines: Engines) -> None:
        self.tools, self.home, self.engines = tools, home, engines
        text = (ROOT / "deploy" / "compose.yaml").read_text("utf-8")
        # Compose's own variables: ${NAME} and ${NAME:?message}
        text = re.sub(r"\$\{(\w+)[^}]*\}", lambda match: environ[match[1]], text)
        self.services = yaml.safe_load(text)["services"]
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        (home / ".env").write_text("".join(f"{name}={value}\n" for name, value in environ.items()), "utf-8")

    def words(self, name: str, *more: str) -> list[str]:
        service = self.services[name]
        folders = {"data": self.home / "data", "../secrets": self.home / "secrets"}
        # A pipe as stdin, because crun gives /dev/null to the container's user otherwise.
        words = ["run", "-i", "--rm", "--name", f"spms-{name}", "--network", "host", "--cgroups", "disabled"]
        words += ["--env-file", str(self.home / ".env"), "--volume", f"{self.engines.run_dir}:{self.engines.run_dir}"]
        for key, value in (service["environment"] | self.engines.urls).items():
            words += ["--env", f"{key}={value}"]
        for volume in service["volumes"]:
            source, _, rest = volume.partition(":")
            words += ["--volume", f"{folders[source]}:{rest}"]
        # Podman would give it the mode of the folder below, which Docker does not.
        words += [
            w for place in service["tmpfs"] for w in ("--tmpfs", f"{place}{',' if ':' in place else ':'}notmpcopyup")
        ]
        words += ["--read-only"] * service["read_only"] + [f"--cap-drop={name}" for name in service["cap_drop"]]
        words += [f"--security-opt={option}".replace(":true", "") for option in service["security_opt"]]
        words += ["--init"] * service.get("init", False)
        return [*words, service["image"], *service["command"], *more]

    @contextmanager
    def up(self, name: str, *more: str) -> Iterator[None]:
        words = ["podman", *self.tools.options, *self.words(name, *more)]
        with (self.home / f"{name}.log").open("wb") as log:
            process = self.processes[name] = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=log, stderr=log)
        try:
            yield
        finally:
            self.stop([name])
            process.communicate(timeout=60)

    def stop(self, names: Collection[str]) -> None:
        patience = self.services["web"]["stop_grace_period"].removesuffix("s")
        self.tools("podman", "stop", "--ignore", "--time", patience, *[f"spms-{name}" for name in names])

    def inside(self, name: str, *words: str) -> bool:
        command = ["podman", *self.tools.options, "exec", "-i", f"spms-{name}", *words]
        return subprocess.run(command, capture_output=True, stdin=subprocess.PIPE).returncode == 0

    def is_healthy(self, name: str, port: int = 8001) -> bool:
        """Ask as the service's own health check does."""
        check = self.services[name]["healthcheck"]["test"][1:]
        words = [word.replace(":8001/", f":{port}/").replace(":8002/", f":{port + 1}/") for word in check]
        return self.inside(name, *words)

    def is_ended_when_it_hangs(self, name: str) -> bool:
        """Stop a worker's processes and let a minute pass; ask as Docker does, which starts again what has ended."""
        assert self.is_healthy(name), f"{name} is not healthy"
        self.inside(name, "sh", "-c", "kill -STOP -1; touch -d '61 seconds ago' /tmp/alive")
        assert not self.is_healthy(name), f"{name} hangs, and counts as healthy"
        return bool(until(lambda: self.processes[name].poll() is not None, 30))


def walk(tools: Tools, home: Path, engines: Engines, port: int) -> None:
    """Start everything as compose.yaml says, with what lies below ``home``."""
    sockets = engines.run_dir / "s"
    sockets.chmod(0o755)
    (sockets / "vk.sock").chmod(0o777)
    home.chmod(0o755)
    for name in ("data", "data/state", "data/media", "secrets"):
        (home / name).mkdir()
        os.chown(home / name, 999, 999)
    wechat = WeChat()
    merchant = wechat.merchant(home / "secrets")
    for file in (home / "secrets").iterdir():
        os.chown(file, 999, 999)
    merchant = {name: str(value).replace(str(home), "/run") for name, value in merchant.items()}
    environ = merchant | NO_UPSTREAMS | {
        "DOMAIN": DOMAIN, "ROOT_PASSWORD": PASSWORD, "POSTGRES_PASSWORD": "unused", "DJANGO_SECRET_KEY": "x" * 50,
        "CORS_ALLOWED_ORIGINS": "https://app.example.com", "WECHAT_APP_SECRET": "secret", "MEDIA_FREE_MB": "0",
    }  # fmt: skip
    compose = Compose(tools, home, environ, engines)
    tools("podman", *compose.words("migrate"), stdin=subprocess.PIPE, timeout=START_S)
    more = {"web": ["--port", str(port)], "socket": ["--port", str(port + 1)]}
    with ExitStack() as stack:
        stack.callback(wechat.stop)
        for name in SERVICES:
            stack.enter_context(compose.up(name, *more.get(name, [])))
        stack.callback(compose.stop, SERVICES)  # all at once
        base = f"http://127.0.0.1:{port}"
        try:
            for name in ("web", "socket"):
                assert until(lambda name=name: compose.is_healthy(name, port), START_S), f"{name} is not healthy"
            Visitor(Running(base, home, PASSWORD, print), wechat).refund()
            assert until(lambda: requests.get(f"{base}/health/whole", timeout=9).ok, 60), "a worker is silent"
            assert all(map(compose.is_ended_when_it_hangs, ("worker-bulk", "beat"))), "one that hangs is left"
            assert compose.inside("doctor", "sh", "-c", "grep -q sleep /proc/[0-9]*/comm"), "nobody sends alerts"
            assert compose.inside("web", "python", "manage.py", "backup", "/tmp/backup.tar"), "no backup"
            assert requests.get(f"{base}/docs/course/login/", timeout=20).ok
            example = zipfile.ZipFile(io.BytesIO(requests.get(f"{base}/docs/vue.zip", timeout=20).content))
            assert {"vue/package.json", "vue/src/App.vue", "vue/src/types.d.ts"} <= set(example.namelist())
        except BaseException:
            for log in home.glob("*.log"):
                print(f"--- {log.name}\n{log.read_text()[-3000:]}", flush=True)
            raise
    print("Login, order, payment, refund, a backup and the example client work.")


class Home:
    """The container of home.yaml, in a network of its own in which the test is the gateway, as Docker is."""

    def __init__(self, tools: Tools, network: str, folder: Path) -> None:
        service = yaml.safe_load((ROOT / "deploy" / "home.yaml").read_text("utf-8"))["services"]["home"]
        assert service["ports"][0].startswith("${BIND:-127.0.0.1}:") and service["volumes"] == ["data:/var/lib/spms"]
        self.tools, self.folder, self.image = tools, folder, service["image"]
        self.patience = service["stop_grace_period"].removesuffix("s")
        self.words = ["-i", "--name", "spms-home", "--network", f"ns:/run/netns/{network}", "--cgroups", "disabled"]
        self.words += ["--volume", "spms-home:/var/lib/spms"]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *words: str) -> None:
        """Start it until it answers; with ``words`` for ``podman run``, else the container of before."""
        begun = time.monotonic()
        with (self.folder / "home.log").open("ab") as log:
            command = ["run", *self.words, *words, self.image] if words else ["start", "-ai", "spms-home"]
            command = ["podman", *self.tools.options, *command]
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log)
        assert until(lambda: self.get("/health/live").ok, START_S), "it does not answer"
        assert until(lambda: self.get("/health/whole").ok, START_S), self.get("/health/whole").text
        print(f"Home is up after {time.monotonic() - begun:.1f} s.", flush=True)
        # With vfs each new container begins with a copy of the image, which nobody has at home.
        assert time.monotonic() - begun < HOME_START_S or DRIVER == "vfs"

    def get(self, path: str, address: str = HERE[0]) -> requests.Response:
        """Ask as the browser of this machine does, whose name for it is 127.0.0.1; or from another address."""
        with requests.Session() as session:
            adapter = requests.adapters.HTTPAdapter()
            adapter.init_poolmanager(1, 1, source_address=(address, 0))
            session.mount("http://", adapter)
            return session.get(f"http://{THERE}:8000{path}", headers={"Host": "127.0.0.1:8000"}, timeout=9)

    def stop(self) -> None:
        begun = time.monotonic()
        self.tools("podman", "stop", "--time", self.patience, "spms-home")
        assert self.process and self.process.wait(60) == 0, "it was killed"
        print(f"It is stopped after {time.monotonic() - begun:.1f} s.", flush=True)

    def remove(self) -> None:
        self.tools("podman", "rm", "--force", "--ignore", "--time", "0", "spms-home")


def live_at_home(tools: Tools, folder: Path) -> None:
    """Start without a setting, stop, kill, put a new container in its place, open it to a class; nothing is lost."""
    with second_machine() as machine, ExitStack() as stack:
        ip("-n", machine.name, "route", "add", "default", "via", HERE[0])
        ip("-n", machine.name, "link", "set", "lo", "up")
        home = Home(tools, machine.name, folder)
        stack.callback(tools, "podman", "volume", "rm", "--force", "spms-home")
        stack.callback(home.remove)
        try:
            home.start("--env", f"ROOT_PASSWORD={PASSWORD}")
            world = World(Running(f"http://{THERE}:8000", folder, PASSWORD, print))
            assert home.get("/metrics").ok, "the browser of this machine counts as another one"
            assert home.get("/metrics", HERE[1]).status_code == 404, "another machine counts as this one"
            home.stop()
            home.start()
            world.made_order()  # with the token and the product of before
            tools("podman", "kill", "spms-home")
            assert home.process and home.process.wait(60)
            home.start()
            world.made_order()
            home.stop()
            home.remove()
            home.start("--env", "PUBLIC_BASE_URL=http://192.168.1.20:8000")  # as a new image, and for a class
            world.made_order()
            assert home.get("/metrics").status_code == 404, "in a class everybody counts as this machine"
            home.stop()
        except BaseException:
            print((folder / "home.log").read_text()[-5000:], flush=True)
            raise
    print("At home orders survive a stop, a kill and a new container.")


# crun gives /dev/null to the container's user where it is a container's stdin, and refuses a machine with both kinds of
# control groups. So containers see a /dev and a /sys/fs/cgroup of this program's own.
APART = """
set -e
dev=$(mktemp -d)
mount -t tmpfs -o mode=755 dev $dev
cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty $dev
mkdir $dev/pts $dev/shm $dev/mqueue
mount -t devpts -o newinstance,ptmxmode=0666 devpts $dev/pts
mount -t tmpfs shm $dev/shm
ln -s pts/ptmx $dev/ptmx && ln -s /proc/self/fd $dev/fd
ln -s fd/0 $dev/stdin && ln -s fd/1 $dev/stdout && ln -s fd/2 $dev/stderr
mount --move $dev /dev
umount -R /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup
exec "$@"
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--storage", type=Path, default=Path("/var/tmp/spms-image-o"))
    parser.add_argument("--port", type=int, default=8150)
    parser.add_argument("--build", action="store_true")
    options = parser.parse_args()
    if "SPMS_IMAGE_APART" not in os.environ:
        words = ["unshare", "--mount", "sh", "-c", APART, "sh", sys.executable, "-m", "tests.image.run", *sys.argv[1:]]
        os.execvpe(words[0], words, os.environ | {"SPMS_IMAGE_APART": "1"})
    tools = Tools(options.storage)
    tools.base_make()
    tools.images_make()
    if options.build:
        return 0
    with tempfile.TemporaryDirectory(prefix="spms-image-") as name, Engines(durable=False) as engines:
        walk(tools, Path(name), engines, options.port)
    with tempfile.TemporaryDirectory(prefix="spms-home-") as name:
        live_at_home(tools, Path(name))
    return 0


if __name__ == "__main__":
    sys.exit(main())
