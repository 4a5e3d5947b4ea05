from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from core import times
from payments.errors import EventCut
from payments.models import InboundEvent
from payments.services.notices import event_replay


class Command(BaseCommand):
    help = "Handle a journaled payment notification again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("id", type=int, help="number of the notification, as 支付 → 通知记录 shows it")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            event = event_replay(event_id=options["id"], now=times.now())
        except InboundEvent.DoesNotExist:
            raise CommandError(f"没有编号为 {options['id']} 的通知记录") from None
        except EventCut as error:
            raise CommandError(error.msg) from None
        self.stdout.write(f"{event.get_verdict_display()}：{event.result} {event.out_trade_no}")
