"""A running installation, as `make up` starts it, and a browser to visit it with."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis
import requests

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
# Background services of Chromium look for hosts outside; the journeys allow none.
CHROMIUM_ARGS = [
    "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run",
]  # fmt: skip


@dataclass
class Running:
    base: str
    state: Path
    root_password: str

    def captcha_answer(self, key: str) -> str:
        """Read what a person would read off the picture."""
        url = json.loads((self.state / "engines.json").read_text())["REDIS_URL"]
        return redis.Redis.from_url(url).get(f"spms:captcha:{key}").decode()


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    home = tmp_path_factory.mktemp("running")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    own = {"DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE"}
    environment = {name: value for name, value in os.environ.items() if name not in own} | {
        "STATE_DIR": str(home), "MEDIA_ROOT": str(home / "media"), "PORT": str(port), "ROOT_PASSWORD": "journey-root-9",
    }  # fmt: skip
    with (home / "up.log").open("w") as log:
        up = subprocess.Popen([sys.executable, "manage.py", "up"], env=environment, stdout=log, stderr=log)
    try:
        found = Running(f"http://127.0.0.1:{port}", home, "journey-root-9")
        assert _answers(found.base + "/health/ready", 90), (home / "up.log").read_text()[-4000:]
        yield found
    finally:
        up.send_signal(signal.SIGTERM)
        up.wait(30)


def _answers(url: str, seconds: float) -> bool:
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        try:
            if requests.get(url, timeout=2).ok:
                return True
        except requests.RequestException:
            time.sleep(0.2)
    return False


@pytest.fixture(scope="session")
def chromium() -> Iterator[object]:
    if not CHROMIUM:
        if os.environ.get("CI"):
            pytest.fail("Chromium is not installed")
        pytest.skip("Chromium is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGS)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium, running: Running) -> Iterator[object]:
    """A page that must neither complain in its console nor ask another host for anything."""
    context = chromium.new_context(locale="zh-CN", base_url=running.base)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "request",
        lambda request: (
            complaints.append(request.url)
            if not request.url.startswith((running.base, "data:", "blob:", running.base.replace("http", "ws")))
            else None
        ),
    )
    yield page
    context.close()
    assert complaints == []
