from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from shop.models import Order
from shop.services.order_refund import order_return
from shop.tests.factories import make_paid, ship
from tests.kit import logged_in


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


@pytest.fixture
def clerk(person):
    """Make a browser of a member of staff who has these rights on orders alone."""

    def make(*verbs):
        clerk = person("clerk", "103", is_staff=True)
        names = [f"{verb}_order" for verb in verbs]
        clerk.user.role.permissions.set(Permission.objects.filter(codename__in=names))
        return logged_in(clerk.user)

    return make


@pytest.fixture
def paid(li, wechat):
    """Make a paid order of Li's: ``paid(product, 2, ago=timedelta(hours=1))``."""

    def make(product=None, quantity=1, *, ago=timedelta(0), **fields):
        order = make_paid(wechat, li.user, product, quantity, **fields)
        Order.objects.filter(pk=order.pk).update(paid_at=timezone.now() - ago)
        order.refresh_from_db()
        return order

    return make


@pytest.fixture
def returned(paid):
    """Make an order that was shipped and that its buyer wants to give back."""

    def make(reason="破损", now=None):
        order, facts = paid(), {"actor": "li", "reason": reason, "now": now or timezone.now()}
        ship(order, now=facts["now"])
        return order_return(order_id=order.order_id, buyer_pk=order.user_id, **facts)

    return make
