from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0007_acknowledged_events"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="payment",
            options={"ordering": ["-created_at", "-pk"], "permissions": [("export_payment", "导出支付单")], "verbose_name": "支付单", "verbose_name_plural": "支付单"},
        ),
        migrations.AlterModelOptions(
            name="refund",
            options={"ordering": ["-created_at", "-pk"], "permissions": [("export_refund", "导出退款单")], "verbose_name": "退款单", "verbose_name_plural": "退款单"},
        ),
    ]
