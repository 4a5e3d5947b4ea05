"""Who did a step, when names change: the logs of orders and money know users by their keys."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from accounts.models import User
from accounts.usernames import is_system
from payments.models import Payment
from shop.models import OrderLog
from shop.order_states import Note
from shop.services.order_close import orders_sweep
from shop.tests.factories import make_order, make_paid, make_product

pytestmark = pytest.mark.django_db


def page_of(office, row):
    return office.get(f"/admin/{row._meta.label_lower.replace('.', '/')}/{row.pk}/change/").content.decode()


def steps_of(office, order):
    """Return who did each step by the order's page, newest first."""
    log = page_of(office, order).partition('<ol class="op-log')[2].partition("</ol>")[0]
    return re.findall(r"<li.*?<small>([^<]*)</small>", log, re.DOTALL)


def test_a_step_names_who_it_is_now_and_was_then(office, person):
    li = person("li", nickname="李")
    order_id = li.post("/pay/pre_order", {"product_id": make_product().product_id}).json()["order_id"]
    li.get("/order/cancel", order_id=order_id)
    order = OrderLog.objects.last().order
    User.objects.filter(username="li").update(username="lili")
    person("li", nickname="另一个人")

    assert steps_of(office, order) == ["李（lili），当时叫 li"] * 2

    User.objects.filter(username="lili").delete()
    assert steps_of(office, order) == ["li（已删除的用户）"] * 2


def test_a_user_who_is_called_like_the_system_is_told_from_it(office, person, wechat):
    mallory = person("系统", nickname="系统")
    orders = [make_order(mallory.user) for _ in range(3)]
    mallory.get("/order/cancel", order_id=orders[0].order_id)
    mallory.post("/pay/payment", {"order_id": orders[1].order_id, "trade_type": "NATIVE"})
    wechat.is_down = True
    mallory.get("/order/cancel", order_id=orders[1].order_id)  # the sweep ends it
    wechat.is_down = False
    orders_sweep(now=timezone.now() + timedelta(hours=1))

    mallory.post("/users/updateUser", {"unid": mallory.user.unid, "city": "南京"})

    entries = office.get("/admin/auditlog/logentry/").context["cl"].result_list
    assert [entry.actor.label for entry in entries if entry.actor_id == mallory.user.pk] == ["用户（系统）"]
    assert "用户（系统）" in office.get("/admin/auditlog/logentry/").content.decode()
    assert [steps_of(office, order)[0] for order in orders] == ["用户（系统）", "用户（系统）", "系统"]


def test_a_row_of_the_last_release_is_known_by_its_name(office, person):
    li = person("li", nickname="李")
    order = make_order(li.user)
    OrderLog.objects.update(actor_key="")

    assert steps_of(office, order) == ["李（li）"]


def test_the_log_of_the_money_names_staff_by_key_too(office, root, wechat, person):
    order = make_paid(wechat, person("li").user)
    office.post(f"/admin/shop/order/{order.pk}/change/", {"step_refund": "1", "sure": "1", "reason": "破损"})

    log = Payment.objects.get().logs.get(event="申请退款")
    assert (log.actor, log.actor_key) == ("root", root.user.unid)
    assert not Payment.objects.get().logs.exclude(pk=log.pk).exclude(actor_key="").exists()


def test_whoever_acts_without_being_a_user_is_no_name_for_one(settings):
    folders = [Path(settings.BASE_DIR) / app for app in ("payments", "shop", "moving")]
    texts = [file.read_text("utf-8") for folder in folders for file in folder.rglob("*.py")]
    names = re.compile(r'(?:\bsource=f?|^SYSTEM = |^WECHAT = |^RESTORE = |^EVENT = )"([^\x00-\x7f][^"]*)"', re.M)
    found = {name for text in texts for name in names.findall(text)}

    assert {"系统", "微信支付", "恢复备份", "对账"} <= found
    assert not {name for name in found | {Note.MOVED_IN.label} if not is_system(name)}
