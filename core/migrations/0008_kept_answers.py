from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("core", "0007_leases_end"),
    ]

    operations = [
        migrations.CreateModel(
            name="KeptAnswer",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("user_pk", models.BigIntegerField()),
                ("key", models.CharField(max_length=64)),
                ("digest", models.CharField(max_length=64)),
                ("answer", models.TextField(default="")),
                ("created_at", models.DateTimeField(db_index=True)),
            ],
            options={
                "default_permissions": (),
                "constraints": [models.UniqueConstraint(fields=("user_pk", "key"), name="kept_answer_of_key")],
            },
        ),
    ]
