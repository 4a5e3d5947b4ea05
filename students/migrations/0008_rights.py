from django.db import migrations

from permissions.migration_grants import rights_grant

RIGHTS = {"export_student": "导出学员"}


def keep(apps, schema_editor):
    """Roles that add and change students could export them in the last release."""
    both = ["add_student", "change_student"]
    rights_grant(apps, app_label="students", model="student", roles_with=both, rights=RIGHTS)


class Migration(migrations.Migration):
    dependencies = [
        ("students", "0007_filters"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("permissions", "0001_initial"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="student",
            options={"ordering": ["-pk"], "permissions": [*RIGHTS.items()], "verbose_name": "学员", "verbose_name_plural": "学员"},
        ),
        migrations.RunPython(keep, migrations.RunPython.noop),
    ]
