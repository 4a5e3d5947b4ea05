import pytest
import redis

from core.cache import valkey


def test_after_a_restart_of_valkey_nobody_notices():
    """A restart closes every connection; so does this."""
    for _ in range(2):
        assert valkey.client().get("spms:test:none") is None
        valkey.client().client_kill_filter(_type="normal", skipme=False)

    assert valkey.client().get("spms:test:none") is None


def test_who_does_not_answer_is_asked_once_a_second(valkey_down):
    for _ in range(3):
        with pytest.raises(redis.RedisError):
            valkey.client().get("spms:test:a")

    assert len(valkey_down) == 1
