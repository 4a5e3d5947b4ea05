from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from operations.alerts import is_on, message_send


class Command(BaseCommand):
    help = "Send a test message to ALERT_MAIL_TO and ALERT_WEBHOOKS."

    def handle(self, *args: Any, **options: Any) -> None:
        if not is_on():
            raise CommandError("Neither ALERT_MAIL_TO nor ALERT_WEBHOOKS is set.")
        number = len(settings.ALERT_MAIL_TO) + len(settings.ALERT_WEBHOOKS)
        receipts = message_send(f"【{settings.SCHOOL_NAME}】这是一条测试提醒。\n{settings.PUBLIC_BASE_URL}/admin/")
        if receipts < number:
            raise CommandError(f"{receipts} of {number} receivers took the message: the reasons stand above.")
        self.stdout.write("Every receiver took the message.")
