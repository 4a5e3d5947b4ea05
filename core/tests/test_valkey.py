import threading

import pytest
import redis
from redis.connection import AbstractConnection

from core.cache import valkey


@pytest.fixture(autouse=True)
def two_keys():
    valkey.client().mset({"spms:test:a": "1", "spms:test:b": "2"})
    yield
    valkey.client().delete("spms:test:a", "spms:test:b")


def read():
    return valkey.values("spms:test:a", "spms:test:none", "spms:test:b")


def connections():
    return {each["id"] for each in valkey.client().client_list()}


def test_reads_several_keys():
    assert read() == [b"1", None, b"2"]


def test_after_a_restart_of_valkey_nobody_notices():
    """A restart closes every connection; so does this."""
    for _ in range(2):
        assert read() == [b"1", None, b"2"]
        valkey.client().client_kill_filter(_type="normal", skipme=False)

    assert read() == [b"1", None, b"2"]


def test_a_thread_keeps_one_connection_and_takes_it_along():
    before = connections()
    seen = []

    def ask():
        for _ in range(5):
            read()
        seen.append(connections() - before)

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()

    assert len(seen[0]) <= 2  # its own, and the one that counts
    assert len(connections() - before) < len(seen[0]) or len(seen[0]) == 1


def test_an_answer_that_was_not_read_is_never_anothers(monkeypatch):
    read()
    real = AbstractConnection.read_response

    def interrupted(*args, **options):
        monkeypatch.setattr(AbstractConnection, "read_response", real)
        raise KeyboardInterrupt

    monkeypatch.setattr(AbstractConnection, "read_response", interrupted)
    with pytest.raises(KeyboardInterrupt):
        valkey.values("spms:test:a")

    assert valkey.values("spms:test:b") == [b"2"]


def test_who_does_not_answer_is_asked_once_a_second(valkey_down):
    for _ in range(3):
        with pytest.raises(redis.RedisError):
            read()

    assert len(valkey_down) == 1


def test_once_a_server_was_silent_no_thread_uses_its_old_connection_again(monkeypatch):
    real, made = AbstractConnection.connect, []
    monkeypatch.setattr(AbstractConnection, "connect", lambda self: made.append(self) or real(self))
    monkeypatch.setattr(valkey, "REST_S", 0)
    read()
    made.clear()

    valkey.client().rest()
    for _ in range(2):
        read()

    assert len(made) == 1


def test_an_odd_value_is_an_error_and_the_next_question_is_answered():
    valkey.client().hset("spms:test:h", "x", "1")
    assert valkey.values("spms:test:h") == [None]  # as MGET has it
    valkey.client().delete("spms:test:h")
    assert read() == [b"1", None, b"2"]
