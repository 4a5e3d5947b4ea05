"""Money in the back office. Nothing can be typed in: a button calls the same service as all else."""

from payments.admin.bills import BillRunAdmin, DifferenceAdmin
from payments.admin.money import InboundEventAdmin, PaymentAdmin
from payments.admin.refund import RefundAdmin

__all__ = ["BillRunAdmin", "DifferenceAdmin", "InboundEventAdmin", "PaymentAdmin", "RefundAdmin"]
