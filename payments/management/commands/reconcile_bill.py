from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from core import times
from core.money import fen_text
from payments.errors import PaymentError
from payments.models import BillRun, Difference
from payments.services.bills import bill_reconcile
from payments.services.differences import side_text


class Command(BaseCommand):
    help = "Compare a day with WeChat Pay's bill. The exit code is 1 if that failed."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("date", type=date.fromisoformat, help="day of the bill, such as 2026-11-24")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            runs = bill_reconcile(day=options["date"], now=times.now())
        except PaymentError as error:
            raise CommandError(error.msg) from None
        for run in runs:
            self._tell(run)
        if failures := [run for run in runs if run.state != BillRun.State.DONE or run.last_error]:
            raise CommandError(f"{len(failures)} 个商户未能核对")

    def _tell(self, run: BillRun) -> None:
        self.stdout.write(
            f"{run.day} 商户 {run.mch_id}：{run.get_state_display()}，{run.rows} 笔"
            f"（其他系统 {run.foreign_rows} 笔），收款 {fen_text(run.paid_fen)}，退款 {fen_text(run.refunded_fen)}，"
            f"差异 {run.differences} 处 {run.last_error}".rstrip()
        )
        mine = Difference.objects.filter(mch_id=run.mch_id, day=run.day, ending=Difference.Ending.OPEN)
        for one in mine.order_by("pk"):
            number = one.out_refund_no or one.out_trade_no
            there, here = side_text(one.bill_state, one.bill_fen), side_text(one.our_state, one.our_fen)
            self.stdout.write(f"  {one.get_kind_display()} {number}：账单 {there}，本地 {here} {one.note}".rstrip())
