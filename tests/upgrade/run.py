"""Upgrade from the last release to this tree's HEAD and back with ``deploy/upgrade``, while people buy; then restore.

    python -m tests.upgrade.run [drill]     # the disaster alone

Everything is real but WeChat Pay: systemd, the units, nginx, PostgreSQL from Debian (tests/upgrade/machine.py). No
answer may be a 5xx and no order that was acknowledged may be lost; a run that is killed is continued.
"""

import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from tests.last_release import LAST_RELEASE, PatientWeChat
from tests.upgrade.drill import drill
from tests.upgrade.installation import ROOT, Shop, wheels_download
from tests.upgrade.machine import booted

NEEDED = ("unshare", "nsenter", "nginx", "pg_createcluster", "pgbackrest", "git", "make")
BUYERS = 3
RESTARTS = 2


def git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


def rehearse(shop: Shop, goal: str) -> list[str]:
    """Upgrade, with a run that is killed halfway, and go back; return what went wrong."""
    script = "/root/upgrade"
    shop.machine.run("cp", str(ROOT / "deploy/upgrade"), script)

    def upgrade(*words: str) -> None:
        begun = time.monotonic()
        print(shop.machine.run("bash", script, *words, env=shop.offline), flush=True)
        answered = f"{len(shop.placed)} orders, {len(shop.paid)} paid, refused: {dict(shop.refused)}"
        print(f"=== {' '.join(words)}: {time.monotonic() - begun:.0f} s; {answered}", flush=True)

    wrong = []
    with shop.visited(BUYERS):
        time.sleep(5)
        killer = threading.Timer(1, lambda: kill_when(shop, "answer-from-next"))
        killer.start()
        said = shop.machine.run("bash", script, goal, env=shop.offline, ok=False)
        killer.join()
        print(said)
        wrong += (
            [] if "unfinished" in shop.machine.run("bash", script, "--status") else ["the killed run left no trace"]
        )
        another = shop.machine.run("bash", script, LAST_RELEASE + "~1", ok=False)
        wrong += [] if "unfinished" in another else [f"another goal was taken: {another}"]
        upgrade(goal)
        wrong += (
            []
            if git("rev-parse", goal) in shop.machine.run("git", "-C", "/opt/spms", "rev-parse", "HEAD")
            else ["not upgraded"]
        )
        time.sleep(5)
        upgrade("--back")
        wrong += (
            []
            if git("rev-parse", LAST_RELEASE) in shop.machine.run("git", "-C", "/opt/spms", "rev-parse", "HEAD")
            else ["not back"]
        )
        time.sleep(5)
        upgrade("--back")  # to the new one again
        time.sleep(5)
    wrong += [f"refused: {dict(shop.refused)}"] if shop.refused else []
    wrong += [f"lost: {lost}"] if (lost := shop.lost()) else []
    wrong += [] if len(shop.paid) > 50 else ["too few orders: nothing is shown"]
    units = shop.machine.run("systemctl", "list-units", "--all", "--plain", "--no-legend", "spms-*.service")
    print(units)
    wrong += [f"not running: {units}"] if units.count(" running ") != 6 else []
    return wrong


def restart(shop: Shop) -> list[str]:
    """Let systemd hold the address, as CHANGELOG says; restart the web server, and kill one of its processes.

    None is refused on a quiet machine. On a busy one a request that waits for WeChat may be cut off by a restart.
    """
    run = shop.machine.run
    run("systemctl", "stop", "spms-web")
    run("systemctl", "enable", "--now", "spms-web.socket", "spms-web")
    shop.until_up()
    with shop.visited(BUYERS):
        shop.refused.clear()
        time.sleep(3)
        placed = len(shop.placed)
        for _ in range(RESTARTS):
            run("systemctl", "restart", "spms-web")
            shop.until_up()
            time.sleep(3)
        held = dict(shop.refused)
        run("sh", "-c", "kill -KILL $(pgrep -P $(systemctl show -P MainPID spms-web) | tail -1)")
        time.sleep(15)
    print(f"=== restarted, then killed: {len(shop.placed) - placed} orders, refused: {held}, {dict(shop.refused)}")
    # What the killed process had begun is lost, and the buyers have one request each.
    return ["restarts refused requests"] * (sum(held.values()) > RESTARTS) + ["a kill took more"] * (
        shop.refused.total() > BUYERS
    )


def kill_when(shop: Shop, step: str) -> None:
    """Kill the script, as a reboot would, when it has begun a step."""
    for _ in range(3000):
        state = shop.machine.root / "var/lib/spms-upgrade"
        if (state / "done.keep-units").exists() and step == "answer-from-next":
            time.sleep(3)
            shop.machine.run("pkill", "-KILL", "-f", "bash /root/upgrade", ok=False)
            return
        time.sleep(0.1)


def inside(home: Path, goal: str, *parts: str) -> int:
    """Go on in the namespaces that ``main`` has made."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    wechat = PatientWeChat()
    wechat.refund_status = "SUCCESS"
    (home / "machine").mkdir()
    with booted(home / "machine", ROOT, home / "wheels") as machine:
        shop = Shop(machine, wechat, home / "wheels")
        shop.install(goal if {"drill", "restart"} & set(parts) else LAST_RELEASE)
        wrong = [] if {"drill", "restart"} & set(parts) else rehearse(shop, goal)
        wrong += [] if "drill" in parts else restart(shop)
        wrong += drill(shop, BUYERS)
    print(*[f"FAILED {line}" for line in wrong] or ["the upgrade works, there and back, and the restore"], sep="\n")
    return int(bool(wrong))


def main() -> int:
    if sys.argv[1:2] == ["--inside"]:
        return inside(Path(sys.argv[2]), *sys.argv[3:])
    goal = git("rev-parse", "HEAD")
    missing = [name for name in NEEDED if subprocess.run(["which", name], capture_output=True).returncode]
    if missing or os.getuid():
        print(f"The upgrade was not tested: root and {', '.join(NEEDED)} are needed; missing: {missing}")
        return int(bool(os.environ.get("CI")))
    with tempfile.TemporaryDirectory(prefix="spms-upgrade-") as folder:
        home = Path(folder)
        (home / "wheels").mkdir()
        for commit in (LAST_RELEASE, goal):
            wheels_download(commit, home / "wheels")
        namespaces = ["unshare", "--mount", "--net", "--fork", "--kill-child"]
        command = [sys.executable, "-m", "tests.upgrade.run", "--inside", folder, goal, *sys.argv[1:]]
        return subprocess.run([*namespaces, *command], cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main())
