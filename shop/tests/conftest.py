import pytest


@pytest.fixture(autouse=True)
def _no_worker(sent_tasks):
    """Refunds are run by hand (``run_refunds``): the suite has no worker."""


@pytest.fixture
def wechat(wechat):
    """Here its refunds arrive at once."""
    wechat.refund_status = "SUCCESS"
    return wechat


@pytest.fixture
def li(person):
    """Li owns the orders."""
    return person("li")


@pytest.fixture
def zhao(person):
    """Zhao must see nothing of Li's."""
    return person("zhao")
