from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("core", "0005_alerts"),
    ]

    operations = [
        migrations.CreateModel(
            name="Backup",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("finished_at", models.DateTimeField(db_index=True)),
            ],
        ),
    ]
