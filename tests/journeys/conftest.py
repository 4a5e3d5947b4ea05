"""A running installation, as `make up` starts it, and a browser to visit it with."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis
import requests

from tests.journeys.installation import installation
from tests.kit import free_ports
from tests.needs import CHROMIUM

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

    def token(self, username: str, password: str) -> str:
        given = {"username": username, "password": password}
        return requests.post(f"{self.base}/users/login", given, timeout=10).json()["token"]

    def captcha_answer(self, key: str) -> str:
        """Read what a person would read off the picture."""
        url = json.loads((self.state / "engines.json").read_text())["REDIS_URL"]
        return redis.Redis.from_url(url).get(f"spms:captcha:{key}").decode()


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    home, password = tmp_path_factory.mktemp("running"), "journey-root-9"
    with installation(home, free_ports(1)[0], ROOT_PASSWORD=password, ADMIN_TOTP="optional") as base:
        yield Running(base, home, password)


@pytest.fixture(scope="package")
def chromium() -> Iterator[object]:
    from playwright.sync_api import sync_playwright

    # Its event loop runs in this thread: it has to end before other tests start their own.
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGS)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium, running: Running) -> Iterator[object]:
    """A page that must neither complain in its console nor ask another host for anything."""
    with watched_page(chromium, running.base) as page:
        yield page


@contextmanager
def watched_page(chromium, *servers: str) -> Iterator[object]:
    """A page of the first of ``servers`` that must not complain in its console, and may ask these servers only."""
    context = chromium.new_context(locale="zh-CN", base_url=servers[0])
    context.set_default_timeout(90_000)  # for something that comes late because the machine is busy with other tests
    page = context.new_page()
    complaints: list[str] = []
    allowed = (*servers, *(server.replace("http", "ws") for server in servers), "data:", "blob:")
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda asked: None if asked.url.startswith(allowed) else complaints.append(asked.url))
    yield page
    context.close()
    assert complaints == []
