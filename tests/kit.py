"""Helpers that the tests of several apps share. Product code never imports it."""

import json
import random
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from functools import cache
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from pkgutil import resolve_name
from ssl import SSLContext
from typing import Any

from django.conf import settings
from django.contrib.auth import login
from django.contrib.sessions.backends.cached_db import SessionStore
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, transaction
from django.http import HttpRequest
from django.test import Client
from jsonschema import Draft202012Validator
from PIL import Image

from core.errors import DomainError
from payments.listener import PaymentListener, listener

DEPLOY = Path(__file__).parents[1] / "deploy"
PATIENCE_S = 60  # for another thread, on a busy machine


def envelope(answer: Any) -> tuple[int, bool, str]:
    """Return what an answer of the API says in its envelope: status, state, and text."""
    body = answer.json()
    return body["status"], body["state"], body["msg"]


# --- At the same instant -------------------------------------------------------------------------


def at_once(works: Iterable[Callable[[], Any]], *, refusals: tuple[type[Exception], ...] = ()) -> list[Any]:
    """Start all of ``works`` at the same instant, each on a connection of its own; return their results in order.

    An exception named in ``refusals`` is a result; any other one is raised once all have ended.
    """
    works = list(works)
    start = meeting(len(works))

    def run(work: Callable[[], Any]) -> Any:
        start()
        return _on_own_connection(work, *refusals)

    with ThreadPoolExecutor(len(works)) as pool:
        return [future.result() for future in [pool.submit(run, work) for work in works]]


def meeting(count: int = 2) -> Callable[[], None]:
    """Return a call in which ``count`` threads wait for each other, once, so that a race does not depend on luck.

    Where a lock is on they cannot meet: as soon as one waits in the database for another that is here, all go on.
    """
    here: set[int] = set()
    is_over = threading.Event()

    def meet() -> None:
        here.add(threading.get_ident())
        _wait_until(lambda: is_over.is_set() or len(here) >= count or is_waited_for())
        is_over.set()

    return meet


def meet_at(monkeypatch: Any, *targets: str, count: int = 2, is_after: bool = False) -> None:
    """Let ``count`` threads meet before they call one of ``targets``, or, if ``is_after``, when they have."""
    meet = meeting(count)

    def replace(target: str) -> None:
        call = resolve_name(target)

        def together(*args: Any, **facts: Any) -> Any:
            if is_after:
                answer = call(*args, **facts)
                meet()
                return answer
            meet()
            return call(*args, **facts)

        monkeypatch.setattr(target, together)

    for target in targets:
        replace(target)


def during(change: Callable[[], Any], work: Callable[[], Any], *, is_ended: bool = False) -> Any:
    """Start ``work`` on a connection of its own while the transaction of ``change`` is open; return its result.

    Work that locks what ``change`` has changed waits, and goes by what that left. Other work reads what was before.

    :param is_ended: the transaction stays open until the work has ended: it gives up, or passes over what is locked.
    """
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            change()
            running = pool.submit(_on_own_connection, work)
            _wait_until(lambda: running.done() or (not is_ended and is_waited_for()))
        return running.result()


def meanwhile(monkeypatch: Any, target: str, work: Callable[[], Any]) -> Callable[[], Any]:
    """Start ``work`` on another connection when the function ``target`` is first called.

    Where the caller of that function has locked the rows, ``work`` goes on after its commit; else it comes first. Call
    what this returns for the result of ``work``, or its refusal.
    """
    real, started = resolve_name(target), []

    def interrupted(*args: Any, **facts: Any) -> Any:
        monkeypatch.setattr(target, real)
        started.append(ThreadPoolExecutor(1).submit(_on_own_connection, work, DomainError))
        _wait_until(lambda: started[0].done() or is_waited_for())
        return real(*args, **facts)

    monkeypatch.setattr(target, interrupted)
    return lambda: started[0].result(PATIENCE_S)


def is_waited_for() -> bool:
    """Tell whether another connection waits for a lock that this one holds."""
    if not connection.in_atomic_block:
        return False
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid)))"
        )
        return cursor.fetchone()[0]


def _on_own_connection(work: Callable[[], Any], *refusals: type[Exception]) -> Any:
    try:
        return work()
    except refusals as refusal:
        return refusal
    finally:
        connection.close()


def _wait_until(true: Callable[[], bool]) -> None:
    ends = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < ends, "the other did not come"
        time.sleep(0.005)


@contextmanager
def serving(
    handler: type[BaseHTTPRequestHandler], host: str = "127.0.0.1", tls: SSLContext | None = None
) -> Iterator[str]:
    """Serve on a port of this machine while the block runs; the value is the address.

    For servers that the sandbox cannot play: one that sends slowly, sends false data, or is another machine.
    """

    class Quiet(handler):
        def log_message(self, *args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *args: Any) -> None:
            pass  # a client that gave up waiting is part of the test

    with Server((host, 0), Quiet) as server:
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield f"{'https' if tls else 'http'}://{host}:{server.server_port}"
        server.shutdown()


def serving_folder(folder: Path) -> AbstractContextManager[str]:
    """Serve the files of a folder, as another origin does."""

    class Files(SimpleHTTPRequestHandler):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args, directory=str(folder))

    return serving(Files)


def reply(handler: BaseHTTPRequestHandler, body: Any = None, status: int = 200) -> None:
    """Answer a request with JSON, or with nothing."""
    content = b"" if body is None else json.dumps(body).encode()
    handler.send_response(status)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)


def free_ports(count: int) -> list[int]:
    """Return ports on which no process listens, so that parallel test runs do not meet.

    Below 32768, where the system takes the ports of outgoing connections: one of those would often have taken a port by
    the time its server starts, which may be half a minute on a busy machine.
    """
    ports: list[int] = []
    chance = random.SystemRandom()  # Hypothesis seeds the other one
    with ExitStack() as stack:
        while len(ports) < count:
            port = chance.randrange(11_000, 32_768)
            with suppress(OSError):
                stack.enter_context(socket.create_server(("127.0.0.1", port)))
                ports.append(port)
    return ports


# --- The listener of payments ---------------------------------------------------------------------


@contextmanager
def listener_replaced(temporary: PaymentListener) -> Iterator[None]:
    """Replace the listener of payments for the length of a block."""
    before = listener()
    listener.set(temporary)
    try:
        yield
    finally:
        listener.set(before)


# --- Pictures ------------------------------------------------------------------------------------


def encoded(
    kind: str = "PNG", size: tuple[int, int] = (40, 30), mode: str = "RGB", color: Any = 0, **options: Any
) -> bytes:
    out = BytesIO()
    Image.new(mode, size, color).save(out, kind, **options)
    return out.getvalue()


def animation(kind: str = "GIF", frames: int = 3, size: tuple[int, int] = (20, 20), **options: Any) -> bytes:
    pictures = [Image.new("RGB", size, ((37 * n) % 256, (91 * n) % 256, 9)) for n in range(frames)]
    out = BytesIO()
    pictures[0].save(out, kind, save_all=True, append_images=pictures[1:], duration=80, **options)
    return out.getvalue()


def posted(content: bytes, name: str = "a.png", content_type: str = "image/png") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content, content_type)


# --- Answers held against the documented ones ----------------------------------------------------


def check_documented(response: Any) -> None:
    """Fail if a success answer lacks a key, has another type or another text than its documentation shows.

    Extra keys are allowed; so is anything where the example holds ``null``.
    """
    if response.status_code != 200:
        return
    endpoint = getattr(getattr(response.resolver_match, "func", None), "endpoint", None)
    docs = getattr(endpoint, "docs", None)
    if endpoint is None or not docs or "application/json" not in response.headers.get("Content-Type", ""):
        return
    body = response.json()
    if body.get("state") is not True:
        return
    complaints = [list(differences(example, body, "")) for example in docs.successes]
    if all(complaints):
        raise AssertionError(f"{endpoint.path} answers unlike its documentation: {min(complaints, key=len)}")
    for key, hint in ((key, hint) for key, hint in docs.records.items() if key in body):
        for error in _validator(endpoint.path, key, hint).iter_errors(body[key]):
            raise AssertionError(f"{endpoint.path}: {key}{error.json_path[1:]}: {error.message}")


@cache
def _validator(path: str, key: str, hint: Any) -> Any:
    """A validator for the records of an answer, as OpenAPI 3.0 describes them."""
    # Here, because programs without settings, such as the walk of the image, use the other helpers.
    from core.api.schema import schema_of

    components: dict[str, Any] = {}
    schema = schema_of(hint, components)
    return Draft202012Validator(_plain(schema) | {"components": {"schemas": _plain(components)}})


def _plain(schema: Any) -> Any:
    """Turn OpenAPI 3.0's ``nullable`` into JSON Schema's type ``null``."""
    if isinstance(schema, list):
        return [_plain(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {name: _plain(inner) for name, inner in schema.items() if name != "nullable"}
    return {"anyOf": [plain, {"type": "null"}]} if schema.get("nullable") is True else plain


def differences(example: Any, real: Any, where: str) -> Any:
    if where in {".status", ".msg"} and example != real:
        yield f"{where}: {example!r} is documented, {real!r} came"
    elif example is None:
        return
    elif _kind(example) != _kind(real):
        yield f"{where}: {_kind(example)} is documented, {_kind(real)} came"
    elif isinstance(example, dict):
        for name, inner in example.items():
            if name in real:
                yield from differences(inner, real[name], f"{where}.{name}")
            else:
                yield f"{where}.{name} is missing"
    elif isinstance(example, list) and example:
        for entry in real:
            yield from differences(example[0], entry, f"{where}[]")


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    return {int: "number", float: "number", str: "text", dict: "object", list: "list"}.get(type(value), "null")


# --- Forms as a browser sends them ---------------------------------------------------------------


class PageForm(HTMLParser):
    """Collect what a browser without JavaScript would send for the change form of a back-office page."""

    def __init__(self, page: Any) -> None:
        super().__init__()
        self.sent: list[tuple[str, str]] = []
        self.is_inside = False
        self.area: list[str] | None = None
        self.select = ""
        self.feed(page.content.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        facts = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.is_inside = (
                facts.get("id", "").endswith(("_form", "changelist-form", "im-form")) and facts.get("method") == "post"
            )
        name = facts.get("name", "")
        if not self.is_inside:
            return
        if tag == "textarea":
            self.area = [name, ""]
        elif tag == "select":
            self.select = name
        elif tag == "option" and self.select and "selected" in facts:
            self.sent.append((self.select, facts.get("value", "")))
        elif tag == "input" and name and facts.get("type") not in {"submit", "file", "search"}:
            is_tick = facts.get("type") in {"checkbox", "radio"}
            if not is_tick or "checked" in facts:
                self.sent.append((name, facts.get("value", "on" if is_tick else "")))

    def handle_data(self, data: str) -> None:
        if self.area:
            self.area[1] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea" and self.area:
            # A browser sends line ends as CRLF.
            self.sent.append((self.area[0], self.area[1].removeprefix("\n").replace("\n", "\r\n")))
            self.area = None
        elif tag == "select":
            self.select = ""
        elif tag == "form":
            self.is_inside = False

    def data(self, **changed: Any) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for name, value in self.sent:
            if name != "csrfmiddlewaretoken":
                data.setdefault(name, []).append(value)
        return data | changed


def logged_in(user: Any) -> Client:
    """Return a browser in which ``user`` is logged in to the back office.

    Its session is written once. Django's ``force_login`` writes three and deletes two of them, in 20 statements.
    """
    browser, request = Client(), HttpRequest()
    request.session = SessionStore()
    request.session.cycle_key = lambda: None  # a login's new key, where there is no old one
    login(request, user, settings.AUTHENTICATION_BACKENDS[0])
    request.session.save()
    browser.cookies[settings.SESSION_COOKIE_NAME] = request.session.session_key
    return browser


def text_of(page: Any) -> str:
    """Return what a page holds, with one space for all that its source has between two words."""
    return " ".join(page.text.split())


def messages_of(page: Any) -> list[str]:
    """Return what the back office tells about the step before."""
    return [str(message) for message in page.context["messages"]]


def posted_of(page: Any) -> dict[str, list[str]]:
    """Return the hidden fields that a confirmation page sends again, by name."""
    data: dict[str, list[str]] = {}
    for name, value in page.context["posted"]:
        data.setdefault(name, []).append(value)
    return data


def save_page(browser: Any, url: str, **changed: Any) -> Any:
    """Open a change form, change what is named, and save it."""
    return browser.post(url, PageForm(browser.get(url)).data(**changed))


def deployed(name: str, changes: dict[str, str]) -> str:
    """Return the text of ``deploy/<name>`` with other addresses and paths, each of which must stand in it."""
    text = (DEPLOY / name).read_text("utf-8")
    for ours, theirs in changes.items():
        assert ours in text, ours
        text = text.replace(ours, theirs)
    return text
