"""What is new in a notification."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("payments", "0002_merchant")]

    operations = [
        migrations.AddField(
            model_name="inboundevent",
            name="body_sha256",
            field=models.CharField(blank=True, db_default="", max_length=64, verbose_name="报文SHA-256"),
        ),
        migrations.AddField(
            model_name="inboundevent",
            name="is_genuine",
            field=models.BooleanField(db_default=False, verbose_name="确认来自微信"),
        ),
        migrations.AddField(
            model_name="inboundevent",
            name="acknowledged_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="知悉时间"),
        ),
        migrations.AddField(
            model_name="inboundevent",
            name="acknowledged_by",
            field=models.CharField(blank=True, db_default="", default="", max_length=64, verbose_name="知悉人"),
        ),
    ]
