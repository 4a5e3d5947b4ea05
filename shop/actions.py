"""What staff do to orders and to money, as the list of changes names it."""

from django.db.models import IntegerChoices


class OrderAction(IntegerChoices):
    """Kept in ``LogEntry.action``, beside ``core.audit.StaffAction``."""

    SHIP = 101, "发货"
    ORDER = 102, "处理订单"
    REFUND = 103, "退款"
