from django.db import migrations, models

from core.db.indexes import AddIndexConcurrently


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("attendance", "0002_rights")]

    operations = [
        AddIndexConcurrently(
            model_name="record", index=models.Index(fields=["session", "status"], name="attendance_status")
        ),
    ]
