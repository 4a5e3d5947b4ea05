from django.db import migrations

from permissions.migration_grants import rights_grant

VERBS = {"view": "view", "add": "change", "change": "change", "delete": "delete"}


def keep(apps, schema_editor):
    """Who may see and change students may see and change classes; who types their phones sees them whole."""
    for verb, of_students in VERBS.items():
        rights_grant(
            apps, app_label="students", model="student", roles_with=[f"{of_students}_student"], on="schoolclass",
            rights={f"{verb}_schoolclass": f"Can {verb} 班级"},
        )  # fmt: skip
    rights_grant(
        apps, app_label="students", model="student", roles_with=["change_student"], rights={"phone_student": "看完整电话"}
    )


class Migration(migrations.Migration):
    dependencies = [
        ("students", "0020_blocks_end"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("permissions", "0001_initial"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="student",
            options={
                "ordering": ["-pk"],
                "permissions": [
                    ("export_student", "导出学员"),
                    ("phone_student", "看完整电话"),
                    ("idcard_student", "看身份证号"),
                    ("account_student", "管理学员的账号"),
                ],
                "verbose_name": "学员",
                "verbose_name_plural": "学员",
            },
        ),
        migrations.RunPython(keep, migrations.RunPython.noop),
    ]
