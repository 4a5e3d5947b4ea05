import pytest

# The strict provider, for those that need the whole of payments.
from payments.tests.conftest import wechat  # noqa: F401
from shop.tests.provider import provider  # noqa: F401


@pytest.fixture(autouse=True)
def _no_worker(sent_tasks):
    """Refunds are run by hand (``provider.run_refunds``): the suite has no worker."""


@pytest.fixture
def li(person):
    """Li owns the orders."""
    return person("li")


@pytest.fixture
def zhao(person):
    """Zhao must see nothing of Li's."""
    return person("zhao")
