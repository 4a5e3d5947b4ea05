from django.db import migrations

from permissions.migration_grants import rights_grant

RIGHTS = {"income_order": "看收入", "phone_order": "看完整电话"}


def keep(apps, schema_editor):
    """Roles that see the list saw these too in the last release."""
    rights_grant(apps, app_label="shop", model="order", roles_with=["view_order"], rights=RIGHTS)


class Migration(migrations.Migration):
    dependencies = [
        ("shop", "0013_order_columns"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("permissions", "0001_initial"),
    ]

    operations = [
        migrations.AlterModelOptions(name="order", options={
                "ordering": ["-pk"],
                "permissions": [
                    ("ship_order", "发货"),
                    ("decide_order", "处理退货申请"),
                    ("refund_order", "退款"),
                    ("export_order", "导出订单"),
                    *RIGHTS.items(),
                ],
                "verbose_name": "订单",
                "verbose_name_plural": "订单",
            }),
        migrations.RunPython(keep, migrations.RunPython.noop),
    ]
