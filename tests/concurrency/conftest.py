"""Many buyers, several web processes, and a provider on a port of its own."""

import pytest

from payments.tests import standin
from tests.concurrency.servers import web_processes
from tests.kit import free_ports


@pytest.fixture(scope="session")
def ports():
    return free_ports(3)


@pytest.fixture(scope="session")
def wechat_keys():
    return standin.Keys()


@pytest.fixture(scope="session")
def wechat_server(wechat_keys):
    wechat = standin.WeChat(wechat_keys)
    yield wechat
    wechat.stop()


@pytest.fixture(scope="session")
def merchant_values(ports, wechat_server, wechat_keys, tmp_path_factory):
    private, public = wechat_keys.write(tmp_path_factory.mktemp("merchant"))
    return {
        "WECHAT_PAY_BASE_URL": wechat_server.url,
        "PUBLIC_BASE_URL": f"http://127.0.0.1:{ports[0]}",
        "WECHAT_APP_ID": standin.APPID,
        "WECHAT_PAY_MCH_ID": standin.MCHID,
        "WECHAT_PAY_API_KEY": standin.API_KEY,
        "WECHAT_PAY_SIGN_TYPE": "MD5",
        "WECHAT_PAY_V3_KEY": standin.V3_KEY,
        "WECHAT_PAY_CERT_SERIAL": standin.MERCHANT_SERIAL,
        "WECHAT_PAY_PRIVATE_KEY_FILE": private,
        "WECHAT_PAY_PUBLIC_KEY_FILE": public,
        "WECHAT_PAY_PUBLIC_KEY_ID": standin.KEY_ID,
    }


@pytest.fixture
def wechat(wechat_server, merchant_values, settings):
    """The provider; this process is the same merchant as the web processes."""
    wechat_server.reset()
    for name, value in merchant_values.items():
        setattr(settings, name, value)
    return wechat_server


@pytest.fixture(scope="session")
def web(django_db_setup, ports, merchant_values):
    """Three web processes; the value is their ports."""
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
