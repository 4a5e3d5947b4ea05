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
        what = f"Restored at {restored_at} what was there at {written_at}"
        yield Finding(None, f"{what}: the bills of {len(missing)} days are still to be compared")
    yield from waits(differences_open(), "differences with WeChat Pay's bills wait", "对账差异", "difference")
    if number := orders_untold().count():
        what = f"{number} payments or refunds are recorded, but their orders could not take them"
        yield Finding(False, what, "Back office: 商城, 订单, 异常; the log says why: `listener failed`.")
    for run in bills_failed(older_than=times.now() - timedelta(days=1)):
        what = f"The bill of {run.day} (merchant {run.mch_id}) could not be compared: {run.last_error}"
        yield Finding(False, what, f"`manage.py reconcile_bill {run.day}`")


def waits(number: int, what: str, chinese: str, page: str, ok: bool | None = False) -> Iterator[Finding]:
    """Report a number of rows that wait for staff, with the page that lists them."""
    link = f"/admin/payments/{page}/"
    if number:
        yield Finding(ok, f"{number} {what}", f"Back office: {link}", f"{chinese}：{number} 条", link, number)
