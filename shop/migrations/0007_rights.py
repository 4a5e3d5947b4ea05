from django.db import migrations, models

from permissions.migration_grants import rights_grant

RIGHTS = {"ship_order": "发货", "decide_order": "处理退货申请", "refund_order": "退款"}


def keep(apps, schema_editor):
    """Roles that change orders did all three in the last release. No role exported orders, so none is given that."""
    rights_grant(apps, app_label="shop", model="order", roles_with=["change_order"], rights=RIGHTS)


class Migration(migrations.Migration):
    dependencies = [
        ("shop", "0006_part_refunds"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("permissions", "0001_initial"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="order",
            options={"ordering": ["-pk"], "permissions": [*RIGHTS.items(), ("export_order", "导出订单")], "verbose_name": "订单", "verbose_name_plural": "订单"},
        ),
        migrations.RunPython(keep, migrations.RunPython.noop),
        migrations.AlterField(
            model_name="orderlog",
            name="detail",
            field=models.CharField(blank=True, max_length=500, verbose_name="说明"),
        ),
    ]
