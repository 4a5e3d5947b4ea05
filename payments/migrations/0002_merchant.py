"""What is new in a payment. All of it is in one migration, because each one locks one busy table (CONTRIBUTING.md)."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="payment",
            name="appid",
            field=models.CharField(blank=True, db_default="", default="", max_length=32, verbose_name="AppID"),
        ),
        migrations.AddField(
            model_name="payment",
            name="mch_id",
            field=models.CharField(blank=True, db_default="", default="", max_length=32, verbose_name="商户号"),
        ),
        migrations.AddField(
            model_name="payment",
            name="billed_on",
            field=models.DateField(blank=True, null=True, verbose_name="对账日"),
        ),
        migrations.AlterField(
            model_name="payment",
            name="state",
            field=models.CharField(choices=[("starting", "下单中"), ("open", "待支付"), ("paid", "已支付"), ("closed", "已关闭"), ("stray", "待退回")], default="starting", max_length=10, verbose_name="状态"),
        ),
        migrations.RemoveConstraint(model_name="payment", name="payment_paid_has_proof"),
        migrations.AddConstraint(
            model_name="payment",
            constraint=models.CheckConstraint(condition=models.Q(models.Q(("state__in", ["paid", "stray"]), _negated=True), models.Q(("paid_at__isnull", False), models.Q(("transaction_id", ""), _negated=True)), _connector="OR"), name="payment_paid_has_proof"),
        ),
    ]
