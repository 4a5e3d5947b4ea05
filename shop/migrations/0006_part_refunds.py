"""Fill what is new in orders that are there. It locks no table and may run twice."""

from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('shop', '0005_parcels'),
        ('payments', '0006_part_refunds'),
    ]

    operations = [
        migrations.RunSQL(
            """
            UPDATE shop_order SET refunded = least(total, back.fen / 100.0) FROM (
                SELECT out_trade_no, sum(r.amount_fen) AS fen
                FROM payments_refund r JOIN payments_payment p ON p.id = r.payment_id
                WHERE r.state <> 'closed' GROUP BY 1
            ) back WHERE order_id = out_trade_no AND pay_status = 1
            """,
            migrations.RunSQL.noop,
        ),
    ]
