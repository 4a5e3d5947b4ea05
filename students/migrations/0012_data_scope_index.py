from django.db import migrations, models

from core.db.indexes import AddIndexConcurrently


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("students", "0011_data_scope"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="student",
            index=models.Index(
                condition=models.Q(("created_by__isnull", False)),
                fields=["created_by", "-id"],
                name="student_of_person",
            ),
        ),
    ]
