import pytest


@pytest.fixture
def dorm(zhuguan):
    """Return a function that makes a call of 主管: ``dorm("addRoom", beds=2)``."""

    def call(name, caller=zhuguan, **params):
        send = caller.get if name in {"getRooms", "delRoom"} else caller.post
        body = send(f"/dorm/{name}", **params) if send == caller.get else send(f"/dorm/{name}", params)
        return body.json()

    return call
