"""Upgrade from the last release to this tree's HEAD and back with ``deploy/upgrade``, while people buy; then restore.

    python -m tests.upgrade.run
    python -m tests.upgrade.run drill     # the disaster alone
    python -m tests.upgrade.run restart   # only restarts of the web server, and a kill
    python -m tests.upgrade.run calls     # the last release on the tables of HEAD: every call, every page

Everything is real but WeChat Pay: systemd, the units, nginx, PostgreSQL from Debian (tests/upgrade/machine.py). No
answer may be a 5xx, no order that was acknowledged may be lost, and no page may wait for the news of a scan; a run that
is killed is continued.
"""

import os
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from pathlib import Path

from tests.processes import ROOT, until
from tests.upgrade.drill import drill
from tests.upgrade.installation import SCAN_S, Shop, wheels_download
from tests.upgrade.machine import booted
from tests.upgrade.visitor import PatientWeChat, Visitor

NEEDED = ("unshare", "nsenter", "nginx", "pg_createcluster", "pgbackrest", "git", "make")
LAST_RELEASE = "d8f9c56d"  # 1.1.0; the tables that it relies on are in tests/last_release.json
SCRIPT = "/root/upgrade"
OTHERS, UNIT = (
    ("spms-b-web", "spms-pictures"),
    "[Service]\nExecStart=sleep infinity\n[Install]\nWantedBy=multi-user.target\n",
)
BUYERS = 3
RESTARTS = 2


def git(*words: str) -> str:
    return subprocess.check_output(["git", *words], cwd=ROOT, text=True).strip()


def upgrade(shop: Shop, word: str) -> None:
    begun = time.monotonic()
    print(shop.machine.run("bash", SCRIPT, word, env=shop.offline), flush=True)
    answered = f"{len(shop.placed)} orders, {len(shop.paid)} paid, refused: {dict(shop.refused)}"
    print(f"=== {word}: {time.monotonic() - begun:.0f} s; {answered}", flush=True)


def calls(shop: Shop, goal: str) -> list[str]:
    """Use all of the last release on its own tables, then on those of ``goal``; return what works no more.

    Hosts are upgraded one after another, so a release works for some minutes on the tables of the next one.
    """
    before = shop.visitor().failures()
    shop.wheels_wait(goal)
    upgrade(shop, goal)
    upgrade(shop, "--back")
    after = shop.visitor().failures()
    for name, why in before.items():
        print(f"not compared, it fails on the release's own tables: {name}: {why[:120]}")
    return [f"{name}: {after[name]}" for name in after.keys() - before.keys()]


def rehearse(shop: Shop, goal: str) -> list[str]:
    """Upgrade, with a run that is killed halfway, and go back; return what went wrong."""

    def is_at(commit: str) -> bool:
        return git("rev-parse", commit) in shop.machine.run("git", "-C", "/opt/spms", "rev-parse", "HEAD")

    is_so: dict[str, bool] = {}
    # Units of others, whose names begin like ours: a school beside this one, and what its engineer has added.
    for name in OTHERS:
        shop.machine.write(f"/etc/systemd/system/{name}.service", UNIT)
    shop.machine.run("systemctl", "daemon-reload")
    shop.machine.run("systemctl", "enable", "--now", *OTHERS)
    for name in ("2020-01-31-101112", "2021-01-31-101112", "moving"):
        shop.machine.write(f"/var/backups/spms/before-{name}.tar", "of an earlier upgrade, or an engineer's own")
    shop.machine.write("/var/lib/spms/media/picture.png", "a picture")
    others = shop.machine.run("systemctl", "show", *OTHERS, "--property=MainPID,UnitFileState")
    shop.wheels_wait(goal)
    staff(shop).student_import()
    with shop.visited(BUYERS):
        with shop.scanned():
            shop.until_orders(20)
            killer = threading.Timer(1, lambda: kill_halfway(shop))
            killer.start()
            print(shop.machine.run("bash", SCRIPT, goal, env=shop.offline, ok=False))
            killer.join()
            is_so["the killed run leaves a trace"] = "unfinished" in shop.machine.run("bash", SCRIPT, "--status")
            another = shop.machine.run("bash", SCRIPT, "v1.1.0", ok=False)  # by its version: there are no tags
            is_so["no other goal is taken meanwhile"] = "unfinished" in another
            upgrade(shop, goal)
            is_so["it is upgraded"] = is_at(goal)
            shop.until_orders(20)
            run = staff(shop).list_without_leavers()
            upgrade(shop, "--back")
            is_so["it is back"] = is_at(LAST_RELEASE)
            for page in (run, run.replace("change", "result")):
                staff(shop).page(page)  # fails with a 5xx
            shop.until_orders(20)
        upgrade(shop, "--back")  # to the new one again
        shop.until_orders(20)
    now = shop.machine.run("systemctl", "show", *OTHERS, "--property=MainPID,UnitFileState")
    is_so[f"units of others go on: {others} {now}"] = now == others and "MainPID=0" not in others
    is_so[f"no request is refused: {dict(shop.refused)}"] = not shop.refused
    losses = shop.lost()
    is_so[f"nothing is lost: {losses}"] = not losses
    backups = sorted((shop.machine.root / "var/backups/spms").glob("before-*.tar"))
    kept = [backup.name for backup in backups]
    is_so[f"two backups of upgrades are kept: {kept}"] = kept[0::2] == [
        "before-2021-01-31-101112.tar",
        "before-moving.tar",
    ]
    with tarfile.open(backups[1]) as archive:
        content = archive.getnames()
    is_so[f"a backup of an upgrade has no pictures: {content}"] = content == ["manifest.json", "database.dump"]
    is_so["orders enough to show it"] = len(shop.paid) > 50
    print(f"=== {len(shop.scans)} scans, the latest news after {max(shop.scans):.1f} s; {shop.cut} ended with a socket")
    is_so["pages hear of each scan"] = max(shop.scans) < SCAN_S and len(shop.scans) > 50
    units = shop.machine.run("systemctl", "list-units", "--all", "--plain", "--no-legend", "spms-*.service")
    print(units)
    is_so[f"six services run: {units}"] = units.count(" running ") == 6 + len(OTHERS)
    return [what for what, holds in is_so.items() if not holds]


def staff(shop: Shop) -> Visitor:
    visitor = shop.visitor()
    visitor.log_in_as_root()
    return visitor


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
        shop.until_orders(9)
        placed = len(shop.placed)
        for _ in range(RESTARTS):
            run("systemctl", "restart", "spms-web")
            shop.until_up()
            shop.until_orders(9)
        before = dict(shop.refused)
        victim = workers(shop)[-1]
        run("kill", "-KILL", victim)
        assert until(lambda: victim not in workers(shop) and len(workers(shop)) == 2, 30), "it is not replaced"
        shop.until_orders(20)
    print(f"=== restarted, then killed: {len(shop.placed) - placed} orders, refused: {before}, {dict(shop.refused)}")
    # What the killed process had begun is lost, and the buyers have one request each.
    return ["restarts refused requests"] * (sum(before.values()) > RESTARTS) + ["a kill took more"] * (
        shop.refused.total() > BUYERS
    )


def workers(shop: Shop) -> list[str]:
    return shop.machine.run("sh", "-c", "pgrep -P $(systemctl show -P MainPID spms-web)").split()


def kill_halfway(shop: Shop) -> None:
    """Kill the script, as a reboot would, while the next release begins to answer."""
    until((shop.machine.root / "var/lib/spms-upgrade/done.keep-units").exists, 300)
    time.sleep(3)
    shop.machine.run("pkill", "-KILL", "-f", "bash /root/upgrade", ok=False)


def inside(home: Path, goal: str, part: str = "all") -> int:
    """Go on in the namespaces that ``main`` has made."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    wechat = PatientWeChat()
    wechat.refund_status = "SUCCESS"
    (home / "machine").mkdir()
    with booted(home / "machine", ROOT, home / "wheels") as machine:
        shop = Shop(machine, wechat, home / "wheels")
        shop.install(goal if part in {"drill", "restart"} else LAST_RELEASE)
        machine.run("cp", str(ROOT / "deploy/upgrade"), SCRIPT)
        wrong = calls(shop, goal) if part == "calls" else []
        wrong += rehearse(shop, goal) if part == "all" else []
        wrong += restart(shop) if part in {"all", "restart"} else []
        wrong += drill(shop, BUYERS) if part in {"all", "drill"} else []
    print(*[f"FAILED {line}" for line in wrong] or ["it works"], sep="\n")
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
        # They come while the machine boots, and those of the goal while the last release is installed.
        threading.Thread(target=wheels_download, args=(home / "wheels", LAST_RELEASE, goal)).start()
        namespaces = ["unshare", "--mount", "--net", "--fork", "--kill-child"]
        command = [sys.executable, "-m", "tests.upgrade.run", "--inside", folder, goal, *sys.argv[1:]]
        return subprocess.run([*namespaces, *command], cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main())
