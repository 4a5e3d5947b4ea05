"""What an accountant takes away: orders, payments and refunds as the list shows them, at once or by a worker."""

import csv
import io
from datetime import timedelta
from decimal import Decimal
from unittest import mock

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils import timezone
from openpyxl import load_workbook

from accounts.models import User
from core.audit import StaffAction
from core.times import local
from payments.models import Payment
from runs import exports
from runs.models import Export
from runs.tasks import make_export
from runs.work import run_is_stalled
from shop.models import Order, OrderLine
from shop.order_states import Event, State
from shop.services.order_move import order_note

pytestmark = pytest.mark.django_db


def address(page):
    return reverse(f"admin:{page}_export")


def rows_of(answer):
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))


def exported(client, page="shop_order", **query):
    return rows_of(client.get(address(page), {"format": "csv", **query}))


def book_of(answer):
    """Return the rows of the first sheet, without the sums below."""
    rows = list(load_workbook(io.BytesIO(answer.content)).worksheets[0].iter_rows(values_only=True))
    return [row for row in rows if not any(str(cell).startswith("=SUBTOTAL") for cell in row)]


def test_has_what_the_list_shows_with_every_filter_search_and_order(office, stock):
    Order.objects.filter(state__in=["paid", "closed"]).update(created_at=timezone.localtime().replace(2020, 1, 31))

    for query in (
        {"state__in": "paid,shipped", "p": "2"},
        {"work": "returns"},
        {"q": "手表", "pay_status__exact": "1"},
        {"created_at_from": "2020-01-01", "created_at_to": "2020-01-31"},
        {"created_at__year": "2020", "created_at__month": "1", "o": "-5"},
    ):
        orders = office.get("/admin/shop/order/", query | {"p": "1"}).context["cl"].queryset

        assert [row["订单号"] for row in exported(office, **query)] == [order.order_id for order in orders], query
        assert 0 < len(orders) <= 13


@pytest.mark.parametrize(("name", "column"), [("payment", "商户订单号"), ("refund", "商户退款单号")])
def test_payments_and_refunds_have_an_export_too(office, stock, name, column):
    page, number = f"payments_{name}", str(stock[name])

    assert [row[column] for row in exported(office, page)] == [number]
    assert exported(office, page, state__exact="closed") == [] and len(exported(office, page, q=number[:8])) == 1
    link = f"{address(page)}?format=xlsx&amp;state__exact=paid"
    assert link in office.get(f"/admin/payments/{name}/?state__exact=paid&p=0").text


def test_has_nothing_for_a_crafted_filter(office, stock):
    crafted = ("state__nonsense=1", "user__password__startswith=x", "created_at_from=%00", "q=%00", "%0A=1")
    for query in (*crafted, "pk__in=1,,2"):
        assert "筛选条件不对" in office.get(f"{address('shop_order')}?{query}", follow=True).text, query

    assert not LogEntry.objects.filter(action=StaffAction.EXPORT).exists()


class TestMoneyAndTimes:
    def test_a_students_time_is_one_too(self, office, stock):
        heads, newest, *_ = book_of(office.get(address("students_student")))

        created = local(stock["students"][-1].created_at).replace(tzinfo=None, microsecond=0)
        assert dict(zip(heads, newest, strict=True))["创建时间"] == created

    def test_add_up_as_numbers_and_are_local(self, office, stock):
        order = stock["orders"][State.PAID]
        Order.objects.filter(pk=order.pk).update(refunded=Decimal("2.50"))

        heads, row = book_of(office.get(address("shop_order"), {"q": order.order_id}))

        cells = dict(zip(heads, row, strict=True))
        assert [cells[name] for name in ("金额（元）", "实收（元）", "已退款（元）")] == [12.5, 12.5, 2.5]
        assert cells["下单时间"] == local(order.created_at).replace(microsecond=0, tzinfo=None)
        assert cells["商品"] == "手表 x 1"
        [closed] = exported(office, state__exact="closed")
        assert (closed["金额（元）"], closed["实收（元）"]) == ("12.50", "0.00")
        [refund] = exported(office, "payments_refund")
        assert (refund["退款金额（元）"], refund["已退（元）"]) == ("12.50", "0.00")

    def test_make_a_workbook_for_the_accountant(self, office, stock):
        order, payment = stock["orders"][State.SHIPPED], stock["payment"]
        Payment.objects.filter(pk=payment.pk).update(out_trade_no=order.order_id)
        Order.objects.filter(pk=order.pk).update(refunded=Decimal("2.50"), recipient="")
        order_note(order=order, event=Event.SHIP, actor="root", now=timezone.now())

        book = load_workbook(io.BytesIO(office.get(address("shop_order"), {"state__exact": "shipped"}).content))

        orders, lines, refunds = book.worksheets
        assert [sheet.title for sheet in book] == ["订单", "商品", "退款"]
        assert (orders.freeze_panes, orders.auto_filter.ref) == ("A2", "A1:U2")
        heads = {cell.value: cell.column for cell in orders[1]}
        ordered, shipped, total = (orders.cell(2, heads[name]) for name in ("下单时间", "发货时间", "金额（元）"))
        assert ordered.is_date and shipped.is_date and total.number_format == "#,##0.00"
        assert orders.cell(2, heads["收件人"]).value == order.username  # as the list shows it
        assert orders.cell(3, heads["金额（元）"]).value == "=SUBTOTAL(109,G2:G2)"
        assert [cell.value for cell in lines[2]][3:8] == [mock.ANY, "手表", 12.5, 1, 12.5]
        assert refunds.cell(2, 1).value == order.order_id and refunds.cell(2, 5).value == 12.5

    @pytest.mark.parametrize("kind", ["csv", "xlsx"])
    def test_no_text_is_a_formula(self, office, stock, kind):
        Order.objects.update(recipient="=1+1", address="@SUM(A1)", note="＝cmd", username="+86")
        OrderLine.objects.update(title='=HYPERLINK("http://evil.example")')

        answer = office.get(address("shop_order"), {"format": kind})

        rows = book_of(answer) if kind == "xlsx" else [row.values() for row in rows_of(answer)]
        cells = [str(cell) for row in rows for cell in row]
        assert "'=1+1" in cells and not [cell for cell in cells if cell[:1] in tuple("=+@＝")]


class TestMany:
    @pytest.fixture(autouse=True)
    def _few_are_many(self, monkeypatch, sent_tasks):
        monkeypatch.setattr(exports, "AT_ONCE", 2)

    def start(self, client, **query):
        answer = client.get(address("shop_order"), query)
        export = Export.objects.latest("pk")
        assert answer.url == reverse("admin:core_export_change", args=[export.pk])
        return export

    def result(self, client, export):
        return client.get(reverse("admin:core_export_result", args=[export.pk]))

    def test_are_written_by_a_worker_with_the_same_rows(
        self, office, stock, sent_tasks, django_capture_on_commit_callbacks
    ):
        with django_capture_on_commit_callbacks(execute=True):
            export = self.start(office, format="csv", pay_status__exact="1", o="5")
        page = reverse("admin:core_export_change", args=[export.pk])
        assert sent_tasks == [("core.export_make", (export.pk,))]
        assert "正在排队" in office.get(page).text and self.result(office, export).status_code == 404

        make_export(export.pk)
        make_export(export.pk)  # a second worker

        orders = office.get("/admin/shop/order/?pay_status__exact=1&o=5").context["cl"].queryset
        assert [row["订单号"] for row in rows_of(self.result(office, export))] == [str(order) for order in orders]
        assert f"共 {len(orders)} 行" in office.get(page).text
        progress = office.get(reverse("admin:core_export_progress", args=[export.pk])).json()
        assert progress["working"] is False
        assert export.file_name in office.get(reverse("admin:core_export_changelist")).text

    def test_have_what_a_search_finds_beyond_the_list(self, office, stock, monkeypatch):
        monkeypatch.setattr("shop.admin.order.MAX_FOUND", 3)
        monkeypatch.setattr("shop.admin.order.OrderAdmin.max_found", 3)

        export = self.start(office, q="手表")
        make_export(export.pk)

        assert len(book_of(self.result(office, export))) == 14
        assert LogEntry.objects.get(action=StaffAction.EXPORT).changes["行数"] == ["", "3+"]

    def test_that_fail_can_be_started_again_and_too_many_are_refused(self, office, stock, monkeypatch):
        export = self.start(office)
        page = reverse("admin:core_export_change", args=[export.pk])
        now = timezone.now()
        stalled = [run_is_stalled(export, now + timedelta(minutes=minutes)) for minutes in (0, 1)]
        assert stalled == [False, True]
        with monkeypatch.context() as patch:
            patch.setattr(exports, "file_of", lambda *args: 1 / 0)
            make_export(export.pk)
        assert "意外错误" in office.get(page).text

        monkeypatch.setattr(exports, "PORTION", 5)
        office.post(page)
        make_export(export.pk)

        assert len(book_of(self.result(office, export))) == 14
        many = self.start(office)
        with monkeypatch.context() as patch:
            patch.setattr(exports, "MAX_ROWS", 3)
            make_export(many.pk)  # a search may find more than its list shows
            assert "一次最多导出 3 行" in office.get(address("shop_order"), follow=True).text
        many.refresh_from_db()
        assert many.message == "一次最多导出 3 行，请先筛选" and many.delete()
        assert exports.exports_purge(now=now + timedelta(days=6)) == 0
        assert exports.exports_purge(now=now + timedelta(days=8)) == 1

    def test_are_ones_own_and_need_the_right_to_the_end(self, office, staff, stock):
        head = staff("102")
        mine, theirs = self.start(office), self.start(head)
        for export in (mine, theirs):
            make_export(export.pk)

        assert [self.result(head, export).status_code for export in (mine, theirs)] == [404, 200]
        assert self.result(office, theirs).status_code == 404
        late = self.start(head)
        user = User.objects.get(username="staff102")
        user.role.permissions.remove(*Permission.objects.filter(codename="export_order"))
        make_export(late.pk)
        late.refresh_from_db()
        assert (late.state, late.message, late.content) == ("failed", "没有导出的权限", None)
        assert self.result(head, theirs).status_code == 403


def test_without_the_right_nothing_is_offered_or_sent(staff, stock):
    clerk = staff("200")
    rights = Permission.objects.filter(codename__in=["view_order", "view_payment", "view_refund", "change_order"])
    User.objects.get(username="staff200").role.permissions.set(rights)

    for page in ("shop_order", "payments_payment", "payments_refund"):
        answer = clerk.get(reverse(f"admin:{page}_changelist"))
        assert answer.status_code == 200 and "/export/" not in answer.text
        assert clerk.get(address(page)).status_code == 403
    assert not LogEntry.objects.filter(action=StaffAction.EXPORT).exists()
    assert clerk.get(reverse("admin:core_export_changelist")).status_code == 403


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("state__in=paid,shipped&q=%E8%B0%AD", "state__in=paid,shipped；q=谭"),
        ("q=" + "1" * 900, "q=" + "1" * 198),
    ],
    ids=["two", "long"],
)
def test_names_its_filters_in_the_list_of_changes(office, root, stock, query, words):
    assert office.get(f"{address('shop_order')}?{query}").status_code == 200

    entry = LogEntry.objects.get(action=StaffAction.EXPORT)
    text = office.get("/admin/auditlog/logentry/").text
    assert entry.changes["筛选"][1] == words and words in text and entry.actor == root.user
    assert "订单" in entry.changes["文件"][1] and entry.changes["行数"][1].isdecimal()
