from django.db import migrations, models

from core.db.indexes import AddIndexConcurrently


class Migration(migrations.Migration):
    atomic = False  # logins do not wait for the indexes

    dependencies = [
        ('accounts', '0006_labels'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='user',
            index=models.Index(
                models.OrderBy(models.F('last_login'), descending=True, nulls_last=True),
                models.OrderBy(models.F('id'), descending=True),
                name='user_last_login',
            ),
        ),
        AddIndexConcurrently(
            model_name='user',
            index=models.Index(fields=['phone'], name='user_phone', opclasses=['varchar_pattern_ops']),
        ),
        AddIndexConcurrently(
            model_name='user',
            index=models.Index(fields=['class_name'], name='user_class'),
        ),
    ]
