"""Many buyers, several web processes, and a provider on a port of its own."""

import pytest

from tests.kit import free_ports
from tests.processes import web_processes


@pytest.fixture(scope="session")
def ports():
    return free_ports(2)


@pytest.fixture(scope="session")
def merchant_values(ports, merchant_values):
    return merchant_values | {"PUBLIC_BASE_URL": f"http://127.0.0.1:{ports[0]}"}


@pytest.fixture
def wechat(running_wechat, merchant_values, settings):
    """The provider; this process is the same merchant as the web processes."""
    running_wechat.reset()
    for name, value in merchant_values.items():
        setattr(settings, name, value)
    return running_wechat


@pytest.fixture(scope="package")  # not longer: `restore` refuses to work while others use the database
def web(django_db_setup, ports, merchant_values):
    """Two web processes; the value is their ports."""
    with web_processes(ports, **merchant_values):
        yield ports


@pytest.fixture
def buyers(roles):
    """Make ``n`` users at once: a list of (user, token)."""
    from accounts.models import User
    from accounts.tokens import token_issue

    def make(n):
        users = [User(username=f"buyer{i:03d}", password="!", role=roles["200"]) for i in range(n)]
        return [(user, token_issue(user)) for user in User.objects.bulk_create(users)]

    return make
