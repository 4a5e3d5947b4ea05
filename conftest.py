"""Fixtures that the tests of all apps share: a client of the API, and the people who use it."""

import gc
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
import redis
from django.core.cache import cache
from django.db import connection
from django.test import Client, TestCase, TransactionTestCase
from psycopg import sql

from config.celery import app as celery_app
from core.times import SHANGHAI, day_begins
from tests.engines import database_to_copy
from tests.kit import check_documented, logged_in

pytest_plugins = ["tests.needs"]
# These wait for other processes and for limits of time. On one worker, one after another, they leave two cores to the
# others all the time.
WAITS = (
    *("core/tests/test_sheets", "devstack/", "tests/clients/", "sockets/", "core/tests/test_alert_rules"),
    *("shop/tests/test_restore", "operations/tests/test_backup"),
)
# What runs on one worker: the beginnings of paths, with the name of the group. Any other file is a group by itself.
# These start first, so that all workers end at about the same time. No bracket may stand in a name: xdist takes what
# ends with one for a parameter, ignores the group, and each worker would start what the group shares.
LONG = {
    "tests/journeys/": "journeys",
    **dict.fromkeys(WAITS, "waits"),
    "tests/concurrency/": "concurrency",
    "tests/long/test_units": "units",
    "tests/long/test_hidden_rows": "hidden rows",
    "tests/long/pages": "pages",
}
MIDNIGHT_S = 5  # longer than almost every test


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Give each group of tests to one worker, the longest first."""
    starts = list(LONG)

    def place(item: pytest.Item) -> int:
        return next((place for place, start in enumerate(starts) if item.nodeid.startswith(start)), len(starts))

    for item in items:
        group = [*LONG.values(), item.nodeid.partition("::")[0]][place(item)]
        item.add_marker(pytest.mark.xdist_group(group))
    yield
    # After pytest-django, which puts tests without a database, such as the journeys, at the end.
    items.sort(key=place)


def pytest_collection_finish() -> None:
    """Make garbage collections rare, and keep them from looking at the tests themselves: some 10 % of the CPU time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 50)


def pytest_runtest_setup() -> None:
    """Begin no test just before midnight, because many say twice which day it is."""
    now = datetime.now(SHANGHAI)
    left_s = (day_begins(now.date() + timedelta(days=1)) - now).total_seconds()
    if left_s < MIDNIGHT_S:
        time.sleep(left_s)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Name a failure in CI at once, because a run that is ended by hand prints no summary."""
    if report.failed and os.environ.get("CI") and "PYTEST_XDIST_WORKER" not in os.environ:
        print(f"\nFAILED {report.nodeid}\n{report.longreprtext[-3000:]}", flush=True)


class ApiClient:
    """Call the API as the front-end clients do; ``token`` goes into the authorization header."""

    def __init__(self, token: str | None = None, user: Any = None) -> None:
        self.token, self.user = token, user
        self.http = Client(raise_request_exception=False)

    def get(self, path: str, /, *, headers: dict[str, str] | None = None, **params: Any) -> Any:
        return self._send(self.http.get, path, params, headers=self.headers(headers))

    def post(
        self, path: str, data: Any = None, /, *, format: str = "json", headers: dict[str, str] | None = None
    ) -> Any:
        if format == "multipart":
            return self._send(self.http.post, path, data or {}, headers=self.headers(headers))
        kind = "application/json" if format == "json" else "application/x-www-form-urlencoded"
        body = data if isinstance(data, (str, bytes)) else (data or {})
        if format == "form" and not isinstance(body, (str, bytes)):
            body = urlencode(body, doseq=True)
        return self._send(self.http.post, path, body, content_type=kind, headers=self.headers(headers))

    def _send(self, method: Callable[..., Any], *args: Any, **options: Any) -> Any:
        # A test's transaction never commits, so run what waits for the commit here.
        with TestCase.captureOnCommitCallbacks(execute=True):
            response = method(*args, **options)
        check_documented(response)
        return response

    def headers(self, more: dict[str, str] | None) -> dict[str, str]:
        return ({"authorization": self.token} if self.token else {}) | (more or {})


@pytest.fixture
def sent_tasks(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, tuple]]:
    """Collect the tasks that are sent, as (name, arguments), instead of sending them to a worker."""
    tasks: list[tuple[str, tuple]] = []
    monkeypatch.setattr(celery_app, "send_task", lambda name, args=(), *_, **__: tasks.append((name, tuple(args))))
    return tasks


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings: None) -> None:
    connection.settings_dict["TEST"] |= database_to_copy()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Callable[[], None]:
    """Make the test database with the four roles that every installation has; the value puts it back.

    After each test that commits, one statement puts the tables back as they are now. It takes some 10 ms; Django
    truncates every table and asks each app for its content types and permissions, which takes 200.
    """
    from permissions.services.roles import roles_seed

    with django_db_blocker.unblock():
        roles_seed()
        puts_back = _sql_to_put_back()

    def put_back(*case: TransactionTestCase) -> None:
        with connection.cursor() as cursor:
            cursor.execute(puts_back)

    TransactionTestCase._fixture_teardown = put_back
    return put_back


@pytest.fixture(scope="session")
def put_back(django_db_setup: Callable[[], None]) -> Callable[[], None]:
    """Put the tables back, after processes of a test's own have written into them."""
    return django_db_setup


def _sql_to_put_back() -> str:
    """Return statements that empty every table and bring back the rows which it has now."""
    empty, rows = sql.SQL("DELETE FROM {}"), sql.SQL("SELECT json_agg(kept) FROM {} kept")
    fill = sql.SQL("INSERT INTO {0} SELECT * FROM json_populate_recordset(NULL::{0}, {1})")
    # A test that restores or migrates may have made a sequence anew.
    count = sql.SQL("SELECT setval(seq, greatest(nextval(seq), {1})) FROM pg_get_serial_sequence({0}, 'id') seq")
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
        names = {name for (name,) in cursor.fetchall()} - {"django_migrations"}
        # The tallies last: a trigger writes into them what is removed elsewhere.
        tables = [sql.Identifier(name) for name in sorted(names, key=lambda name: name.endswith("_tally"))]
        statements = [empty.format(table) for table in tables]
        for table in tables:
            cursor.execute(rows.format(table).as_string())
            if json_rows := cursor.fetchone()[0]:
                statements.append(fill.format(table, json.dumps(json_rows)))
                if "id" in json_rows[0]:
                    statements.append(count.format(table.as_string(), max(row["id"] for row in json_rows)))
    return sql.SQL(";\n").join(statements).as_string()


@pytest.fixture(autouse=True)
def _fresh_valkey(request: pytest.FixtureRequest) -> Iterator[None]:
    """Empty the cache before each test that uses the database."""
    if {"db", "transactional_db"} & {*request.fixturenames} or request.node.get_closest_marker("django_db"):
        cache.clear()
    yield


@pytest.fixture(autouse=True)
def _fresh_upstreams() -> Iterator[None]:
    """Forget after each test which upstreams count as dead."""
    yield
    from core.upstreams import Upstream

    for upstream in Upstream.registry.values():
        upstream.forget()


@pytest.fixture(params=["refuses", "is silent"])
def valkey_down(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Make Valkey refuse connections, or accept them and never answer. The value has an entry for each wait for it."""
    from core.cache import valkey

    server = socket.create_server(("127.0.0.1", 0))
    host, port = server.getsockname()
    if request.param == "refuses":
        server.close()
    waits: list[str] = []

    class Connection(redis.Connection):
        def connect_check_health(self, *args: Any, **options: Any) -> None:
            waits.append(request.param)
            super().connect_check_health(*args, **options)

    pool = redis.ConnectionPool(Connection, host=host, port=port, socket_timeout=0.5)
    with monkeypatch.context() as patch:
        patch.setattr(valkey, "REST_S", 3600)
        patch.setattr("sandbox.switches.switch_of", lambda unid: None)  # production has neither
        patch.setattr("lessons.call_log._Watch.note", lambda *_: None)
        patch.setattr(valkey.client(), "connection_pool", pool)
        yield waits
    valkey.client()._resting_until = 0
    server.close()


@pytest.fixture
def today() -> date:
    return datetime.now(SHANGHAI).date()


@pytest.fixture
def api() -> ApiClient:
    return ApiClient()


@pytest.fixture
def roles(db: None) -> dict[str, Any]:
    """The four seeded roles by roleid."""
    from permissions.models import Role

    return {role.roleid: role for role in Role.objects.all()}


@pytest.fixture
def person(roles: dict[str, Any]) -> Callable[..., ApiClient]:
    """Make a user with a role, and return a client in which that user is logged in: ``person("wang", "103")``."""

    def make(username: str, roleid: str = "200", password: str = "a-password", **fields: Any) -> ApiClient:  # noqa: S107
        from accounts.models import User
        from accounts.tokens import token_issue

        user = User.objects.create_user(username, password, role=roles[roleid], **fields)
        return ApiClient(token_issue(user), user)

    return make


@pytest.fixture
def login() -> Callable[[Any], str]:
    """Return another token of a user."""
    from accounts.tokens import token_issue

    return token_issue


@pytest.fixture
def root(person: Callable[..., ApiClient]) -> ApiClient:
    return person("root", "1", nickname="王者管理员", is_staff=True)


@pytest.fixture
def office(root: ApiClient) -> Client:
    """Return a browser in which root is logged in to the back office."""
    return logged_in(root.user)


@pytest.fixture
def lbw(person: Callable[..., ApiClient]) -> ApiClient:
    return person("lbw", "102", nickname="五五开")


@pytest.fixture
def zhuguan(person: Callable[..., ApiClient]) -> ApiClient:
    return person("zhuguan", "103")


@pytest.fixture
def yuangong(person: Callable[..., ApiClient]) -> ApiClient:
    return person("yuangong", "200")


@pytest.fixture(scope="session")
def running_wechat() -> Iterator[Any]:
    """Run the strict fake of WeChat Pay on a port."""
    from payments.tests.fake_wechat import WeChat

    wechat = WeChat()
    yield wechat
    wechat.stop()


@pytest.fixture(scope="session")
def merchant_values(running_wechat: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the settings of a merchant of the strict fake."""
    return running_wechat.merchant(tmp_path_factory.mktemp("merchant"))


@pytest.fixture
def wechat(running_wechat: Any, merchant_values: dict[str, str], settings: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The strict provider, new, and settings of a merchant of its, in public-key mode."""
    running_wechat.reset()
    monkeypatch.setattr("payments.services.start.PAUSE_S", 0.01)
    settings.PUBLIC_BASE_URL = "http://127.0.0.1:8399"
    settings.WECHAT_PAY_CERT_DIR = ""
    for name, value in merchant_values.items():
        setattr(settings, name, value)
    return running_wechat
