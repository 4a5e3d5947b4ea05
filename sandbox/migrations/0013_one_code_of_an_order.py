"""An order has one code, which works anew when it is placed again, and faults of its own in the table of all.

How a refund ends is known when it is made, and ``settles_at`` says from when.
"""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

import sandbox.models

# The newest code of each order; one without any, as the demo makes them, gets one that nobody knows. An order from
# before the column ``appid`` is the website's.
FILL = """
UPDATE sandbox_trade AS trade SET
    token = coalesce(code.token, left(md5(random()::text), 12)),
    prepay_id = coalesce(code.prepay_id, 'wx' || md5(random()::text)),
    placed_at = coalesce(code.expires_at - interval '2 hours', trade.created_at),
    appid = CASE WHEN trade.appid = '' THEN 'wxed58e834201d0894' ELSE trade.appid END
FROM sandbox_trade AS same
LEFT JOIN (
    SELECT DISTINCT ON (trade_id) trade_id, token, prepay_id, expires_at FROM sandbox_paycode ORDER BY trade_id, id DESC
) AS code ON code.trade_id = same.id
WHERE trade.id = same.id
"""
SETTLE = """
UPDATE sandbox_refund SET
    outcome = CASE outcome WHEN 'PROCESSING' THEN 'SUCCESS' ELSE outcome END,
    settles_at = coalesce(settled_at, settles_at)
"""


class Migration(migrations.Migration):
    dependencies = [("sandbox", "0012_fewer_faults")]

    operations = [
        migrations.AddField("trade", "token", models.CharField("码", max_length=16, null=True)),
        migrations.AddField("trade", "prepay_id", models.CharField("预支付会话", max_length=64, null=True)),
        migrations.AddField(
            "trade", "placed_at", models.DateTimeField("最近下单时间", default=django.utils.timezone.now)
        ),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
        migrations.AlterField(
            "trade", "token", models.CharField("码", max_length=16, unique=True, default=sandbox.models.new_token)
        ),
        migrations.AlterField(
            "trade",
            "prepay_id",
            models.CharField("预支付会话", max_length=64, unique=True, default=sandbox.models.new_prepay_id),
        ),
        migrations.DeleteModel("PayCode"),
        migrations.RemoveField("trade", "faults"),
        migrations.DeleteModel("Fault"),
        migrations.CreateModel(
            name="Fault",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.CharField("种类", max_length=24, choices=sandbox.models.FaultKind.choices)),
                ("value", models.FloatField("数值")),
                (
                    "trade",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="faults",
                        to="sandbox.trade",
                        verbose_name="订单",
                    ),
                ),
            ],
            options={"verbose_name": "沙箱故障", "verbose_name_plural": "沙箱故障"},
        ),
        migrations.AddConstraint(
            "fault",
            models.UniqueConstraint("trade", "kind", name="sandbox_fault_once", nulls_distinct=False),
        ),
        migrations.AlterField("delivery", "api", models.CharField("格式", max_length=2)),
        migrations.RemoveField("trade", "closed_at"),
        migrations.RemoveIndex("refund", "sandbox_refund_open"),
        migrations.RemoveConstraint("trade", "sandbox_trade_costs_something"),
        migrations.RemoveConstraint("refund", "sandbox_refund_gives_something"),
        migrations.RenameField("refund", "state", "outcome"),
        migrations.RunSQL(SETTLE, migrations.RunSQL.noop),
        migrations.RemoveField("refund", "settled_at"),
        migrations.AlterField("refund", "settles_at", models.DateTimeField("到账时间")),
        migrations.AlterField(
            "refund",
            "outcome",
            models.CharField("结果", max_length=10, choices=sandbox.models.RefundState.choices, default="SUCCESS"),
        ),
    ]
