from django.contrib.postgres.indexes import BrinIndex
from django.db import migrations, models

from core.db.indexes import AddIndexConcurrently


class Migration(migrations.Migration):
    atomic = False  # nobody who orders waits for the indexes

    dependencies = [
        ('shop', '0008_attention'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='order',
            index=models.Index(condition=models.Q(('flagged_at__isnull', False)), fields=['flagged_at'], name='order_flagged'),
        ),
        AddIndexConcurrently(
            model_name='orderlog',
            index=BrinIndex(fields=['at'], name='order_log_day'),
        ),
    ]
