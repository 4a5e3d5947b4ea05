"""What tests need beside Python. Where it is missing they are skipped, and the end says once what brings it.

In CI nothing may be missing unnoticed: there the tests fail.
"""

import os
import shutil
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.concurrency.network import can_make_networks

ROOT = Path(__file__).parents[1]
PLACES = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/bin", "/opt/homebrew/bin"])
# The first takes half the CPU time of the others.
BROWSERS = ["chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"]
CHROMIUM = next(filter(None, map(shutil.which, BROWSERS)), None)
HAPROXY, NGINX = (shutil.which(name, path=PLACES) for name in ("haproxy", "nginx"))

FAKETIME = str(next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), ""))


def _has_node() -> bool:
    folders = [ROOT / "examples", *(lock.parent for lock in ROOT.glob("tests/*/package-lock.json"))]
    return bool(shutil.which("node")) and all((folder / "node_modules").is_dir() for folder in folders)


# By the marker of the tests: whether it is here, what it is, and what brings it.
NEEDS = {
    "node": (_has_node, "Node.js and the packages of the client tests", "apt install nodejs npm, then make test"),
    "chromium": (lambda: CHROMIUM, "Chromium", "apt install chromium-headless-shell, or chromium"),
    "haproxy": (lambda: HAPROXY, "HAProxy", "apt install haproxy"),
    "nginx": (lambda: NGINX, "nginx", "apt install nginx"),
    "faketime": (lambda: FAKETIME, "libfaketime", "apt install faketime"),
    "promtool": (lambda: shutil.which("promtool"), "promtool", "apt install promtool"),
    "network": (can_make_networks, "a network of its own", "apt install iproute2, and run the tests as root"),
}


@cache
def _is_here(name: str) -> bool:
    return bool(NEEDS[name][0]())


def pytest_configure(config: pytest.Config) -> None:
    for name, (_, what, _) in NEEDS.items():
        config.addinivalue_line("markers", f"{name}: needs {what}")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    for name in NEEDS:
        if item.get_closest_marker(name) and not _is_here(name):
            what, command = NEEDS[name][1:]
            (pytest.fail if os.environ.get("CI") else pytest.skip)(f"needs {what}: {command}")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = Counter(report.longrepr[2].removeprefix("Skipped: ") for report in skipped)
    if reasons:
        terminalreporter.section("not run")
        for reason, number in reasons.most_common():
            terminalreporter.line(f"{number} tests: {reason}")
