from django.db import migrations

from permissions.migration_grants import rights_grant, rows_grant

READING = ["/students/getclasses", "/students/getstulist", "/students/searchstu", "/getloginlog"]
EDITING = ["/students/addstu", "/students/delstu", "/students/updatestu"]


def give(apps, schema_editor):
    """Give the seeded roles what a new installation seeds, where staff has not changed what they had in 1.1."""
    rows_grant(apps, roleid="103", seeded=READING + EDITING, rows=["/dorm/*", "/attendance/*"])
    rows_grant(apps, roleid="200", seeded=READING, rows=["/attendance/getSummary"])
    rights = {"view": "Can view", "change": "Can change", "delete": "Can delete"}
    models = (
        ("dormitory", "room", "宿舍房间", {"add": "Can add"}, {"export_room": "导出宿舍"}),
        ("attendance", "session", "考勤", {}, {"export_session": "导出考勤"}),
    )
    for app, model, label, more, export in models:
        names = {f"{verb}_{model}": f"{name} {label}" for verb, name in (rights | more).items()}
        rights_grant(
            apps, app_label="students", model="student", of_app=app, on=model, rights=names | export,
            roles_with=[f"{verb}_student" for verb in ("view", "add", "change", "delete", "export")],
            seeded=["102", "103"],
        )  # fmt: skip


class Migration(migrations.Migration):
    dependencies = [
        ("attendance", "0001_initial"),
        ("dormitory", "0001_initial"),
        ("students", "0021_class_rights"),
        ("permissions", "0004_origins_of_copies"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(give, migrations.RunPython.noop)]
