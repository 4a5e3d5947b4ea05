from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from operations.alerts import is_on, message_send


class Command(BaseCommand):
    help = "Send a test message to ALERT_MAIL_TO and ALERT_WEBHOOKS."

    def handle(self, *args: Any, **options: Any) -> None:
        if not is_on():
            raise CommandError("没有设 ALERT_MAIL_TO，也没有设 ALERT_WEBHOOKS。")
        number = len(settings.ALERT_MAIL_TO) + len(settings.ALERT_WEBHOOKS)
        receipts = message_send(f"【{settings.SCHOOL_NAME}】这是一条测试提醒。\n{settings.PUBLIC_BASE_URL}/admin/")
        if receipts < number:
            raise CommandError(f"{number} 个接收者里有 {receipts} 个收下了，原因在上面。")
        self.stdout.write("每个接收者都收下了。")
