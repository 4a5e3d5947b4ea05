"""Money moves for those with the right alone; who may look at it changes nothing."""

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission

from backoffice.tests.conftest import stock  # noqa: F401  (a fixture)
from core.admin.buttons import ButtonsAdmin
from tests.kit import logged_in

pytestmark = pytest.mark.django_db


def test_whoever_may_only_look_presses_no_button(person, roles, stock):  # noqa: F811
    looking = Permission.objects.filter(codename__startswith="view_")
    roles["200"].permissions.set([*looking, *Permission.objects.filter(codename__startswith="export_")])
    browser = logged_in(person("clerk", "200", is_staff=True).user)
    pages = [page for page in admin.site._registry.values() if isinstance(page, ButtonsAdmin)]
    assert len(pages) > 5

    for page in pages:
        row = page.model._default_manager.first()
        address = f"/admin/{page.opts.app_label}/{page.opts.model_name}/"
        for name in [button.name for button in page.buttons]:
            assert browser.post(address, {"press": f"{name}:1", "sure": "1"}).status_code == 403, (address, name)
            if row:
                answer = browser.post(f"{address}{row.pk}/change/", {f"step_{name}": "1", "sure": "1"})
                assert answer.status_code == 403, (address, name)


def test_a_refund_is_a_link_for_whoever_may_open_it(office, person, roles, stock):  # noqa: F811
    roles["200"].permissions.set([Permission.objects.get(codename="view_payment")])
    clerk = logged_in(person("clerk", "200", is_staff=True).user)
    refund = stock["refund"]

    shown, closed = (
        browser.get(f"/admin/payments/payment/{refund.payment_id}/change/").content.decode()
        for browser in (office, clerk)
    )

    assert f'href="/admin/payments/refund/{refund.pk}/change/">{refund}</a>' in shown
    assert str(refund) in closed and "/admin/payments/refund/" not in closed
