"""Random lives of orders: whatever happens in whatever order, no piece and no fen is lost or made.

Hypothesis chooses steps of buyers, back office, provider, clock and worker; the invariants are checked after each.
"""

import os
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal

import pytest
from django.conf import settings
from django.db import transaction
from django.db.models import Prefetch
from django.utils import timezone
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from accounts.models import User
from core.errors import DomainError
from payments.models import Payment, PaymentStatus, Refund, RefundStatus
from payments.services.query_close import payments_query_due
from payments.services.refund import MAX_REFUNDS
from payments.services.refund_by_staff import refund_again, refund_ask, refund_offline
from permissions.models import Role
from shop.models import CartItem, Order, OrderLog, Product
from shop.order_states import TABLE, Event, PayStatus, State
from shop.services.cart import cart_add, cart_check
from shop.services.catalogue import product_remove, product_update
from shop.services.order_close import order_close, orders_sweep
from shop.services.order_create import order_create
from shop.services.order_pay import order_pay
from shop.services.order_refund import order_refund, order_refund_part, order_return, order_return_receive
from shop.services.order_step import order_step
from shop.tests.factories import make_product, notify, phone_pays, run_refunds

# Other lives each time. A life of forty steps, each with all invariants after it, takes up to 1 s.
LIVES = int(os.environ.get("LIVES", 6))  # more of them: LIVES=500 pytest shop/tests/test_order_life.py
pick = st.integers(0, 7)
SHIPPING = [Event.PREPARE, Event.UNPREPARE, Event.UNSHIP, Event.RECEIVE, Event.UNRECEIVE]
STEPS = [*SHIPPING, Event.AGREE_RETURN, Event.APPROVE_RETURN, Event.REJECT_RETURN]
UNPAID = [State.OPEN, State.CANCELLED, State.CLOSED, State.INVALID]


class Life(RuleBasedStateMachine):
    @initialize()
    def open_shop(self):
        self.atomic = transaction.atomic()
        self.atomic._from_testcase = True  # as Django marks its own: a durable block may begin inside
        self.atomic.__enter__()
        self.wechat.reset()
        role = Role.objects.create(roleid="buyers", name="buyers")
        self.buyers = [User.objects.create_user(f"buyer{n}", role=role) for n in range(2)]
        self.products = [make_product(price="0.35", stock=4), make_product(price="19.99", stock=2)]
        self.added = {product.pk: product.stock for product in self.products}
        self.now = timezone.now()

    def teardown(self):
        if hasattr(self, "atomic"):
            transaction.set_rollback(True)
            self.atomic.__exit__(None, None, None)

    def attempt(self, work, **facts):
        """Business may refuse; then nothing has changed (the invariants see to that)."""
        try:
            with transaction.atomic():
                return work(**facts, now=self.now)
        except DomainError:
            return None

    def order(self, number):
        orders = list(Order.objects.order_by("pk"))
        return orders[number % len(orders)] if orders else None

    def act(self, number, service, **facts):
        """Have a buyer, if ``facts`` name one, or else staff do something with an order."""
        if order := self.order(number):
            buyer = {"buyer_pk": order.user_id} if facts.get("actor") == "buyer" else {}
            return self.attempt(service, order_id=order.order_id, **{"actor": "staff", **buyer, **facts})
        return None

    def refunds_at_provider(self, number):
        return [refund for refund in self.wechat.refunds.values() if refund["out_trade_no"] == number]

    # --- buyers ---
    @rule(who=st.integers(0, 1), what=st.integers(0, 1), quantity=st.integers(1, 3))
    def buy(self, who, what, quantity):
        buyer, product = self.buyers[who], self.products[what]
        facts = {"buyer_pk": buyer.pk, "username": buyer.username}
        self.attempt(order_create, product_id=product.product_id, quantity=quantity, **facts)

    @rule(who=st.integers(0, 1), quantities=st.tuples(st.integers(1, 2), st.integers(1, 2)))
    def buy_from_the_cart(self, who, quantities):
        buyer = self.buyers[who]
        for product, quantity in zip(self.products, quantities, strict=True):
            self.attempt(cart_add, user_pk=buyer.pk, product_id=product.product_id, quantity=quantity)
        ids = [product.product_id for product in self.products]
        self.attempt(lambda now: cart_check(user_pk=buyer.pk, product_ids=ids))
        before = CartItem.objects.filter(user=buyer).count()
        order = self.attempt(order_create, buyer_pk=buyer.pk, username=buyer.username)
        assert CartItem.objects.filter(user=buyer).count() == (0 if order else before)

    @rule(number=pick)
    def start_payment(self, number):
        if order := self.order(number):
            facts = {"trade_type": "NATIVE", "client_ip": "::1"}
            payable = order.effective_state(self.now) == State.OPEN and not order.closing
            # Not in a savepoint of ours: what was sent stays written down when no answer comes.
            with suppress(DomainError):
                order_pay(order_id=order.order_id, buyer_pk=order.user_id, now=self.now, **facts)
                assert payable

    @rule(number=pick)
    def pay_at_once(self, number):
        """The usual way, so that random lives get far enough."""
        self.start_payment(number)
        if (order := self.order(number)) and order.order_id in self.wechat.orders:
            phone_pays(self.wechat, order.order_id)

    @rule(number=pick)
    def ask_return(self, number):
        self.act(number, order_return, actor="buyer")

    @rule(number=pick)
    def hide(self, number):
        self.act(number, order_step, actor="buyer", event=Event.HIDE)

    # --- back office ---
    @rule(number=pick)
    def ship(self, number):
        self.act(number, order_step, event=Event.SHIP, express_no="SF1")

    @rule(number=pick, event=st.sampled_from(STEPS))
    def step(self, number, event):
        self.act(number, order_step, event=event)

    @rule(number=pick, pieces=st.integers(0, 2), is_restocked=st.booleans())
    def goods_come_back(self, number, pieces, is_restocked):
        if order := self.order(number):
            quantities = {line.pk: pieces for line in order.lines.order_by("pk")[: 1 + number % 2]}
            self.act(number, order_return_receive, quantities=quantities, is_restocked=is_restocked)

    @rule(number=pick, pieces=st.integers(1, 2))
    def buy_and_send_back(self, number, pieces):
        """The usual way there, like ``pay_at_once``."""
        self.buy(0, number % 2, 2)
        newest = max(Order.objects.count() - 1, 0)
        self.pay_at_once(newest)
        self.ship(newest)
        self.ask_return(newest)
        self.goods_come_back(newest, pieces, True)

    @rule(number=pick)
    def refund(self, number):
        self.act(number, order_refund)

    @rule(
        number=pick, fen=st.integers(1, 4000), pieces=st.integers(0, 2), is_restocked=st.booleans(), late=st.booleans()
    )
    def refund_part(self, number, fen, pieces, is_restocked, late):
        if order := self.order(number):
            self.act(
                number,
                order_refund_part,
                amount=Decimal(fen) / 100,
                quantities={line.pk: pieces for line in order.lines.order_by("pk")[: 1 + number % 2]},
                is_restocked=is_restocked,
                refunds_seen=Refund.objects.filter(payment__out_trade_no=order.order_id).count() - late,
            )

    @rule(fen=st.lists(st.integers(1, 900), min_size=1, max_size=4), is_shipped=st.booleans())
    def buy_and_refund_in_parts(self, fen, is_shipped):
        """The usual way there, like ``pay_at_once``."""
        self.buy(0, 1, 2)
        newest = max(Order.objects.count() - 1, 0)
        self.pay_at_once(newest)
        if is_shipped:
            self.ship(newest)
        for part in fen:
            self.refund_part(newest, part, part % 2, bool(part % 3), False)
            if part % 2:
                self.run_refunds()

    @rule(number=pick)
    def refund_again(self, number):
        stuck = Refund.objects.filter(state__in=[RefundStatus.FAILED, RefundStatus.CLOSED]).order_by("pk")
        if stuck:
            self.attempt(refund_again, refund_id=stuck[number % len(stuck)].pk, actor="staff")

    @rule(number=pick, status=st.sampled_from(["ABNORMAL", "CLOSED", "PROCESSING"]))
    def a_refund_goes_wrong(self, number, status):
        """The usual way there, like ``pay_at_once``."""
        self.buy(0, number % 2, 1)
        newest = max(Order.objects.count() - 1, 0)
        self.pay_at_once(newest)
        self.refund(newest)
        self.wechat.refunds_turn_out(status)
        self.run_refunds()
        self.time_passes(150)

    @rule(number=pick, is_offline=st.booleans())
    def end_a_refund(self, number, is_offline):
        order, facts = self.order(number), {"actor": "staff", "way": "cash", "voucher": "1"} if is_offline else {}
        refunds = Refund.objects.filter(payment__out_trade_no=order.order_id if order else "")
        if refund := refunds.order_by("pk").last():
            self.attempt(refund_offline if is_offline else refund_ask, refund_id=refund.pk, **facts)

    @rule(number=pick, event=st.sampled_from([Event.CANCEL, Event.CLOSE, Event.INVALIDATE]))
    def close(self, number, event):
        if order := self.order(number):
            buyer_pk = order.user_id if event is Event.CANCEL else None
            # Not in a savepoint of ours: the wish must stay when the provider is silent.
            with suppress(DomainError):
                order_close(order_id=order.order_id, event=event, buyer_pk=buyer_pk, actor="li", now=self.now)

    @rule(what=st.integers(0, 1), pieces=st.integers(-2, 2))
    def restock(self, what, pieces):
        product = self.products[what]
        if self.attempt(product_update, product_id=product.product_id, pieces=pieces, actor="staff"):
            self.added[product.pk] += pieces

    @rule()
    def take_off_sale(self):
        self.attempt(product_remove, product_id=self.products[1].product_id)

    # --- the provider, the clock, the worker ---
    @rule(number=pick, notices=st.integers(0, 2))
    def money_arrives(self, number, notices):
        numbers = list(self.wechat.orders)
        if not numbers:
            return
        out_trade_no = numbers[number % len(numbers)]
        self.wechat.pay(out_trade_no)
        for _ in range(notices if self.wechat.orders[out_trade_no]["state"] == "SUCCESS" else 0):
            notify(self.wechat, out_trade_no)

    @rule(silent=st.booleans())
    def provider_falls_silent_or_speaks(self, silent):
        self.wechat.is_down = silent

    @rule(
        call=st.sampled_from(["unifiedorder", "query", "close", "refund", "refund_query"]),
        fault=st.sampled_from([("down",), ("drop",), ("bad_sign",), ("page", 502)]),
    )
    def an_answer_is_lost_or_cannot_be_believed(self, call, fault):
        self.wechat.faults.append((call, *fault))

    @rule(status=st.sampled_from(["SUCCESS", "PROCESSING", "ABNORMAL", "CLOSED"]))
    def refunds_turn_out(self, status):
        self.wechat.refunds_turn_out(status)

    @rule(seconds=st.sampled_from([1, 5, 30, 150, 600]))
    def time_passes(self, seconds):
        self.now += timedelta(seconds=seconds)

    @rule()
    def sweep(self):
        orders_sweep(now=self.now)
        if not self.wechat.is_down and not self.wechat.faults:
            late = Order.objects.filter(state=State.OPEN, sweep_at__lte=self.now, expires_at__lte=self.now)
            assert not late.exists()

    @rule()
    def reconcile(self):
        payments_query_due(now=self.now)

    @rule()
    def run_refunds(self):
        run_refunds(self.now)

    # --- what must always be true ---
    @invariant()
    def nothing_is_lost_or_made(self):
        if not hasattr(self, "products"):
            return
        # Read once for all that follows: it is done after each step.
        orders = Order.objects.order_by("pk").prefetch_related(
            "lines__refunds", Prefetch("logs", OrderLog.objects.order_by("pk"))
        )
        payments = Payment.objects.prefetch_related("refunds").in_bulk(field_name="out_trade_no")
        self.no_piece_is_lost_or_made(orders)
        for order in orders:
            self.money_here_is_money_there(order, payments.get(order.order_id))
            for line in order.lines.all():  # no line goes back twice
                assert sum(refund.quantity for refund in line.refunds.all()) == line.refunded_quantity <= line.quantity
            self.every_step_is_in_the_log_and_in_the_table(order)

    def no_piece_is_lost_or_made(self, orders):
        out = Counter()
        for order in orders:
            for line in order.lines.all():
                gone = line.quantity if order.holds_stock else line.refunded_quantity
                out[line.product_id] += gone - line.restocked_quantity - line.shelved_quantity
        for pk, stock in Product.objects.values_list("pk", "stock"):
            assert stock >= 0 and stock + out[pk] == self.added[pk]

    def money_here_is_money_there(self, order, payment):
        is_paid = order.pay_status == PayStatus.PAID
        assert is_paid == bool(payment and payment.state == PaymentStatus.PAID)
        if is_paid:
            assert self.wechat.orders[order.order_id]["state"] == "SUCCESS"
            assert payment.amount_fen == order.total_fen
        # Never back more than came in.
        refunds = self.refunds_at_provider(order.order_id)
        assert sum(r["amount"]["refund"] for r in refunds if r["status"] != "CLOSED") <= order.total_fen
        mine = payment.refunds.all() if payment else []
        # What staff have paid by other means the provider may pay all the same: the refund then says so.
        offline = {refund.out_refund_no: refund.amount_fen for refund in mine if refund.state == RefundStatus.OFFLINE}
        arrived = [
            refund["amount"]["refund"]
            for refund in refunds
            if refund["status"] == "SUCCESS"
            and refund["out_refund_no"] not in offline
            and not refund["user_received_account"].startswith("商户")
        ]
        back_fen = sum(arrived) + sum(offline.values())
        alive_fen = sum(refund.amount_fen for refund in mine if refund.state != RefundStatus.CLOSED)
        assert back_fen <= order.total_fen and alive_fen <= order.total_fen and len(mine) <= MAX_REFUNDS
        if is_paid:
            assert order.refunded * 100 == alive_fen
        # All of it only with an order that says so, and which is over only when all has arrived.
        says_so = order.state in (State.REFUNDING, State.REFUND_FAILED, State.REFUNDED)
        assert says_so or alive_fen < order.total_fen
        assert alive_fen == order.total_fen or order.state not in (State.REFUNDING, State.REFUNDED)
        assert (order.state == State.REFUNDED) <= (back_fen == order.total_fen)

    def every_step_is_in_the_log_and_in_the_table(self, order):
        state = ""
        for log in order.logs.all():
            assert log.from_state == state
            if log.from_state and log.from_state != log.to_state:
                steps = [step.to for (before, _), step in TABLE.items() if before == log.from_state]
                assert log.to_state in steps
            state = log.to_state
        assert state == order.state


@pytest.mark.django_db
def test_random_lives_lose_nothing(wechat):
    Life.wechat = wechat
    run_state_machine_as_test(
        Life,
        settings=hypothesis_settings(
            max_examples=LIVES,
            stateful_step_count=40,
            deadline=None,
            database=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


assert timedelta(seconds=150) > settings.ORDER_TTL  # so that time_passes() passes the deadline
