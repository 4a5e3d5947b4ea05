"""Write when a refund was found paid twice, which its last error told. ``fill_new_columns`` runs this again."""

from django.db import migrations

PAID_TWICE = """
UPDATE payments_refund AS refund SET paid_twice_at = coalesce(
    (SELECT max(at) FROM payments_paymentlog WHERE refund_id = refund.id AND event = refund.last_error), created_at
) WHERE paid_twice_at IS NULL AND last_error = '已线下退款，微信又退款成功，请核对是否重复'
"""


class Migration(migrations.Migration):
    dependencies = [("payments", "0016_paid_twice")]

    operations = [migrations.RunSQL(PAID_TWICE, migrations.RunSQL.noop)]
