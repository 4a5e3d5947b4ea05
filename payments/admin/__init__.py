"""Payments, refunds, notifications and bills in the back office. No field can be edited: buttons call the services."""

from payments.admin.bills import BillRunAdmin, DifferenceAdmin
from payments.admin.money import InboundEventAdmin, PaymentAdmin
from payments.admin.refund import RefundAdmin
