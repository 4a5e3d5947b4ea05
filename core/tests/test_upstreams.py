"""Other people's servers: dead, slow, crowded, and alive again."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from types import SimpleNamespace
from unittest.mock import patch
from urllib.parse import urlsplit

import pytest
from django.db import connections, transaction

from core import http, upstreams
from core.http import OutgoingError, OutgoingTimeout, UpstreamRefused
from core.upstreams import FAILURES, Upstream, answer_within, time_left
from tests.kit import serving
from tests.processes import until

BUDGET = 4


@pytest.fixture
def server():
    """Answers as ``mode`` says: a status, or "swallow", or "drip"; counts what arrived."""

    class Server(BaseHTTPRequestHandler):
        mode, arrived, released, lock = 200, 0, threading.Event(), threading.Lock()

        def do_GET(self):
            with Server.lock:
                Server.arrived += 1
                mode = Server.mode
            if mode == "swallow":
                Server.released.wait(20)
                mode = 200
            self.send_response(200 if mode == "drip" else mode)
            self.send_header("Content-Length", "100" if mode == "drip" else "2")
            self.end_headers()
            while mode == "drip" and not Server.released.wait(0.05):
                self.wfile.write(b".")
            self.wfile.write(b"ok")

    with serving(Server) as Server.url:
        yield Server
        Server.released.set()


@pytest.fixture
def upstream(settings, monkeypatch):
    settings.UPSTREAM_CALLS = BUDGET
    yield Upstream("of_this_test")
    del Upstream.registry["of_this_test"]


@pytest.fixture
def ask(server, upstream):
    """Call the server as a request does, for which a person waits; ``ask(timeout_s)`` returns the body."""

    def ask(timeout_s=5.0):
        with answer_within(20):
            return http.get(server.url, upstream=upstream, timeout_s=timeout_s)

    return ask


def outcome(ask, *args):
    try:
        return ask(*args)
    except OutgoingError as error:
        return error


def kill(upstream, server, ask):
    server.mode = 503
    for _ in range(FAILURES):
        outcome(ask)


class TestBreaker:
    def test_a_dead_server_is_not_asked_any_more_and_callers_hear_at_once_when_to_come_back(
        self, server, upstream, ask
    ):
        kill(upstream, server, ask)
        before = server.arrived

        refusals = [outcome(ask) for _ in range(20)]

        assert server.arrived == before
        assert {type(error) for error in refusals} == {UpstreamRefused}
        assert refusals[0].headers["Retry-After"] == "5"

        server.mode = 200
        assert http.get(server.url, upstream=upstream) == b"ok"  # work for which no person waits is never refused,
        assert isinstance(outcome(ask), UpstreamRefused)  # and changes nothing for requests that wait

    @pytest.mark.parametrize(
        ("mode", "counts"),
        [("swallow", True), ("drip", True), (500, True), ("gone", True), (429, False), (302, False)],
    )
    def test_silence_trickling_and_failures_count_and_the_no_of_one_that_is_alive_does_not(
        self, server, upstream, ask, mode, counts
    ):
        server.mode, server.url = mode, "http://127.0.0.1:1/" if mode == "gone" else server.url

        outcomes = [outcome(ask, 0.2) for _ in range(FAILURES + 1)]

        assert not any(isinstance(error, UpstreamRefused) for error in outcomes[:-1])
        assert isinstance(outcomes[-1], UpstreamRefused) is counts

    def test_an_answer_in_between_begins_the_count_anew(self, server, upstream, ask):
        for _ in range(3):
            server.mode = 503
            for _ in range(FAILURES - 1):
                outcome(ask)
            server.mode = 200
            assert ask() == b"ok"

    @pytest.mark.parametrize("takes_turns", [True, False], ids=["turns", "twin"])
    def test_one_call_alone_tries_it_again_and_its_answer_lets_all_in(
        self, server, upstream, ask, monkeypatch, takes_turns
    ):
        if not takes_turns:  # all of them try it at once
            monkeypatch.setattr(upstreams, "TRY_S", 0)
        kill(upstream, server, ask)
        before, tries = server.arrived, 1 if takes_turns else 5
        server.mode = "swallow"
        upstream.rests_until = 0.0

        with ThreadPoolExecutor(5) as pool:
            calls = [pool.submit(outcome, ask) for _ in range(5)]
            assert until(
                lambda: (server.arrived - before, sum(call.done() for call in calls)) == (tries, 5 - tries), 20
            )
            server.mode = 200
            server.released.set()
        answers = [call.result() for call in calls]

        assert answers.count(b"ok") == tries and server.arrived == before + tries
        assert sum(isinstance(answer, UpstreamRefused) for answer in answers) == 5 - tries
        assert [ask() for _ in range(3)] == [b"ok"] * 3

    def test_after_each_vain_try_there_is_a_pause_and_no_two_are_alike(self, server, upstream, ask):
        kill(upstream, server, ask)
        pauses = []
        for _ in range(12):
            pauses.append(upstream.rests_until - time.monotonic())
            upstream.rests_until = 0.0
            outcome(ask)

        assert upstreams.PAUSE_S / 2 - 1 < min(pauses) < max(pauses) <= upstreams.PAUSE_S
        assert len({round(pause, 2) for pause in pauses}) > 5

    def test_a_try_that_asks_nothing_after_all_leaves_the_turn_to_the_next(self, server, upstream, ask):
        kill(upstream, server, ask)
        server.mode = 200
        upstream.rests_until = 0.0

        with answer_within(5), upstream.slot():
            pass

        assert ask() == b"ok"


class TestBudget:
    def test_no_more_than_the_budget_wait_at_once_and_others_for_room_while_it_answers_but_not_for_long(
        self, server, upstream, ask, monkeypatch
    ):
        clock = SimpleNamespace(now=0.0, monotonic=lambda: clock.now)
        monkeypatch.setattr(upstreams, "time", clock)
        server.mode = "swallow"
        with ThreadPoolExecutor(20) as pool:
            calls = [pool.submit(outcome, ask, 20) for _ in range(20)]
            assert until(lambda: server.arrived == BUDGET, 20)
            assert not any(call.done() for call in calls)  # it may answer
            clock.now = 2.0
            assert until(lambda: sum(call.done() for call in calls) == 20 - BUDGET, 5)
            assert {call.result().headers["Retry-After"] for call in calls if call.done()} == {"2"}
            with answer_within(5):
                upstream.report(works=True)
            late = pool.submit(outcome, ask)
            assert not until(late.done, 0.2)
            monkeypatch.setattr(upstreams, "SILENT_S", 20)
            clock.now += upstreams.MAX_QUEUE_S + 1
            assert isinstance(late.result(5), UpstreamRefused)
            server.mode = 200
            server.released.set()

        assert [call.result() for call in calls].count(b"ok") == BUDGET == server.arrived

    def test_any_number_may_queue_while_the_server_answers(self, server, upstream, ask, monkeypatch):
        monkeypatch.setattr(upstreams, "SILENT_S", 20)

        with ThreadPoolExecutor(40) as pool:
            answers = list(pool.map(lambda _: outcome(ask), range(200)))

        assert answers == [b"ok"] * 200

    def test_room_that_one_has_is_room_for_the_next_call_too(self, server, upstream, settings):
        settings.UPSTREAM_CALLS = 1
        with answer_within(5), upstream.slot():
            assert [http.get(server.url, upstream=upstream) for _ in range(2)] == [b"ok"] * 2


class TestDeadline:
    def test_one_deadline_for_whatever_is_asked_one_after_the_other(self, server, upstream):
        server.mode = "swallow"
        with answer_within(0.3), patch.object(http, "log") as log:
            time.sleep(0.4)  # for the database, which takes no time from the calls
            for _ in range(2):
                with pytest.raises(OutgoingTimeout):
                    http.get(server.url, upstream=upstream, timeout_s=20)

        assert server.arrived == 1  # no time was left for the second
        assert 200 < log.info.call_args_list[0].kwargs["took_ms"] < 20_000

    def test_one_of_its_addresses_that_is_dead_leaves_time_for_the_next(self, server, upstream, monkeypatch):
        monkeypatch.setattr(http, "CONNECT_S", 0.3)
        monkeypatch.setenv("no_proxy", "*")
        with socket.socket() as dead, socket.socket() as only_caller:
            dead.bind(("127.0.0.2", 0))
            dead.listen(0)
            only_caller.connect(dead.getsockname())  # it never answers a second one
            places, resolve = (dead.getsockname(), ("127.0.0.1", urlsplit(server.url).port)), socket.getaddrinfo
            addresses = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", place) for place in places]
            monkeypatch.setattr(
                socket, "getaddrinfo", lambda host, *more: addresses if host == "two" else resolve(host, *more)
            )

            assert http.get("http://two", upstream=upstream) == b"ok"

    def test_every_request_has_one(self, api, monkeypatch):
        times = []
        monkeypatch.setattr("operations.health.failures", lambda names: times.append(time_left(90)) or {})

        api.http.get("/health/whole")

        assert times and times[0] <= 6


@pytest.mark.django_db(transaction=True)
def test_no_request_keeps_a_database_connection_while_waiting_for_an_upstream(upstream):
    mine = connections["default"]
    mine.ensure_connection()

    own = [http.run_within(upstream, 5, lambda ends_at: mine.connection)]
    mine.ensure_connection()
    with transaction.atomic():  # which would be lost with it
        own.append(http.run_within(upstream, 5, lambda ends_at: mine.connection))

    assert own == [None, mine.connection]
