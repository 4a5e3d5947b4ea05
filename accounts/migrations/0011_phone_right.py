from django.db import migrations

from permissions.migration_grants import rights_grant

RIGHTS = {"phone_user": "看完整电话"}


def keep(apps, schema_editor):
    """Roles that see the list saw these too in the last release."""
    rights_grant(apps, app_label="accounts", model="user", roles_with=["view_user"], rights=RIGHTS)


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0010_refresh_families"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("permissions", "0001_initial"),
    ]

    operations = [
        migrations.AlterModelOptions(name="user", options={
                "ordering": ["-pk"],
                "permissions": [*RIGHTS.items()],
                "verbose_name": "用户",
                "verbose_name_plural": "用户",
            }),
        migrations.RunPython(keep, migrations.RunPython.noop),
    ]
