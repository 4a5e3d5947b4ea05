"""A running installation, as `make up` starts it, and a browser to visit it with."""

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
import redis
from playwright.sync_api import sync_playwright

from tests.journeys.browser import CHROMIUM_ARGS, forget_visitor, visitor, watched_page
from tests.journeys.installation import Caller, installation, shell
from tests.kit import free_ports
from tests.needs import CHROMIUM
from tests.processes import plain_environ


@dataclass
class Running:
    base: str
    state: Path
    root_password: str
    shell: Callable[[str], None]  # runs code in its Django

    def token(self, username, password):
        return Caller(self.base, username, password).headers["authorization"]

    @property
    def root(self):
        return Caller(self.base, "root", self.root_password)

    def manage(self, *words, stdin="", **environ):
        """Run a command of ours on the installation, which finds the engines and the port below its state."""
        command, out = [sys.executable, "manage.py", *words], subprocess.PIPE
        environ = plain_environ(STATE_DIR=str(self.state), **environ)
        return subprocess.run(command, input=stdin, env=environ, stdout=out, stderr=subprocess.STDOUT, text=True)

    def captcha_answer(self, key):
        """Read what a person would read off the picture."""
        url = json.loads((self.state / "engines.json").read_text())["REDIS_URL"]
        return redis.Redis.from_url(url).get(f"spms:captcha:{key}").decode()


@pytest.fixture(scope="package")
def running(tmp_path_factory):
    home, password = tmp_path_factory.mktemp("running"), "journey-root-9"
    with (
        installation(home, free_ports(1)[0], ROOT_PASSWORD=password, ADMIN_TOTP="optional") as base,
        shell(home) as run,
    ):
        yield Running(base, home, password, run)


@pytest.fixture(scope="package")
def chromium():
    # Its event loop runs in this thread: it has to end before other tests start their own.
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def visit(chromium):
    """Return the first page of a visitor: ``with visit(server) as page``; ``number`` tells visitors at once apart.

    One page for all visits: to start the process of a new one takes longer than to load a page of ours, and what its
    browser has in its cache halves the time of a page.
    """
    with ExitStack() as stack:
        contexts = cache(lambda server, number: stack.enter_context(visitor(chromium, server)))

        @contextmanager
        def visit(server, number=1, still="/health/live"):
            context = contexts(server, number)
            page = context.pages[0] if context.pages else context.new_page()
            try:
                yield page
            finally:
                forget_visitor(page, server, still)

        yield visit


@pytest.fixture
def page(visit, running):
    """A page of a first visit. It must neither complain nor ask another host for anything."""
    with visit(running.base) as page, watched_page(page, running.base):
        yield page


@pytest.fixture
def other(visit, running):
    """A page of somebody else's first visit, beside ``page``; it may complain."""
    with visit(running.base, number=2) as page:
        yield page
        page.unroute_all()
