"""Who is told of a difference between WeChat Pay's bill and our tables.

The engineer is: ``manage.py doctor`` reports what ``bills`` finds, and ``operations.alerts`` sends that by mail and to
robots. Staff see differences on the dashboard, in the list 异常 of orders and on the page 对账差异.
"""

from collections.abc import Iterator
from datetime import timedelta

from core import times
from core.findings import Finding
from core.models import Restoration
from core.times import format_office_time
from payments.gateways.wechat import merchant
from payments.selectors import bills_failed, differences_open, orders_untold
from payments.services.bills import bill_days_missing


def bills() -> Iterator[Finding]:
    """Report days whose bill was not compared, and differences that wait for staff."""
    past, missing = Restoration.objects.first(), bill_days_missing(merchant().mch_id, now=times.now())
    if past and missing and merchant().has_v3:
        restored_at, written_at = format_office_time(past.restored_at), format_office_time(past.written_at)
        what = f"{restored_at} 恢复到了 {written_at}：还有 {len(missing)} 天的账单没有对"
        yield Finding("bills after a restore", None, what)
    yield from waits("differences", differences_open(), "对账差异", "difference")
    if number := orders_untold().count():
        what = f"{number} 笔支付或退款记下了，但没有记到订单上"
        yield Finding("orders untold", False, what, "后台：商城，订单，异常；原因在日志里：`listener failed`。")
    for run in bills_failed(older_than=times.now() - timedelta(days=1)):
        what = f"{run.day} 的账单（商户 {run.mch_id}）对不了：{run.last_error}"
        yield Finding(f"bill {run.mch_id} {run.day}", False, what, f"`manage.py reconcile_bill {run.day}`")


def waits(key: str, number: int, what: str, page: str, ok: bool | None = False) -> Iterator[Finding]:
    """Report a number of rows that wait for staff, with the page that lists them."""
    link = f"/admin/payments/{page}/"
    if number:
        yield Finding(key, ok, f"{what}：{number} 条", f"后台：{link}", link, number)
