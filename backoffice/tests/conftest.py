"""One record of every kind that the back office shows."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from payments.models import InboundEvent, Payment, PaymentLog, Refund
from shop.models import Category, Order, OrderLine, OrderLog, Product
from shop.order_states import STATUSES, State
from students.models import Student
from tests.kit import logged_in
from uploads.models import Upload
from weather.models import WeatherAccount, WeatherRecord


def order_in(state, order_id, product):
    now = timezone.now()
    numbers = STATUSES[state].numbers
    order = Order.objects.create(
        order_id=order_id, username="王五", total=Decimal("12.50"), phone="13800000000", address="重庆", state=state,
        created_at=now, expires_at=now, sweep_at=now if state == State.OPEN else None, **numbers,
    )  # fmt: skip
    OrderLine.objects.create(
        order=order,
        product=product,
        product_code=product.product_id,
        title=product.name,
        price=product.price,
        quantity=1,
    )
    OrderLog.objects.create(order=order, at=now, actor="王五", event="提交", to_state=state)
    return order


@pytest.fixture
def stock(root):
    """Records by what they are; made with Chinese texts only."""
    now = timezone.now()
    category = Category.objects.create(category_id="20261101000000001", name="手机", created_at=now)
    product = Product.objects.create(
        product_id="20261101000000002", category=category, name="手表", price="12.50", stock=3, created_at=now
    )
    facts = {"age": 20, "city": "南京", "degree": "本科", "product_url": "/1/", "description": "好"}
    students = [Student.objects.create(name=f"李四{n}", class_name=f"H5190{n % 2}", **facts) for n in range(3)]
    orders = {state: order_in(state, f"2026110100000{at:04}", product) for at, state in enumerate(State)}
    payment = Payment.objects.create(
        out_trade_no="20261101000000003", amount_fen=1250, state="paid", paid_at=now, transaction_id="4200001",
        time_start=now, time_expire=now, created_at=now,
    )  # fmt: skip
    refund = Refund.objects.create(
        payment=payment, out_refund_no="20261101000000003", amount_fen=1250, created_at=now, next_try_at=now
    )
    PaymentLog.objects.create(payment=payment, at=now, actor="王五", event="支付")
    event = InboundEvent.objects.create(channel="v2", received_at=now, body=b"", verdict="failed", result="处理失败")
    record = WeatherRecord.objects.create(
        city="南京", date=now.date(), update_time="10:00", clock="10:00", wea="晴", tem="20", observed_at=now,
        created_at=now, seen_at=now,
    )  # fmt: skip
    upload = Upload.objects.create(
        name="2026/11/1.png", content_type="image/png", size_bytes=1, width=1, height=1, created_at=now
    )
    account = WeatherAccount.objects.create(pk=1, last_success_at=now - timedelta(hours=1))
    return {
        "students": students, "orders": orders, "product": product, "category": category, "payment": payment,
        "refund": refund, "event": event, "record": record, "upload": upload, "account": account,
    }  # fmt: skip


@pytest.fixture
def staff(person):
    """A member of staff of a role: ``staff("103")``."""
    return lambda roleid: logged_in(person(f"staff{roleid}", roleid, is_staff=True).user)
