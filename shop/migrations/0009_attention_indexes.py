from django.contrib.postgres.indexes import BrinIndex, OpClass
from django.db import migrations, models
from django.db.models.functions import Reverse

from core.db.indexes import AddIndexConcurrently


class Migration(migrations.Migration):
    atomic = False  # orders do not wait for the indexes

    dependencies = [
        ('shop', '0008_attention'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='order',
            index=models.Index(OpClass(Reverse('phone'), name='text_pattern_ops'), name='order_phone_tail'),
        ),
        AddIndexConcurrently(
            model_name='order',
            index=models.Index(condition=models.Q(('recipient', ''), _negated=True), fields=['recipient'], name='order_recipient', opclasses=['varchar_pattern_ops']),
        ),
        AddIndexConcurrently(
            model_name='order',
            index=models.Index(condition=models.Q(('express_no', ''), _negated=True), fields=['express_no'], name='order_express_no', opclasses=['varchar_pattern_ops']),
        ),
        AddIndexConcurrently(
            model_name='order',
            index=models.Index(condition=models.Q(('part_refund', ''), _negated=True), fields=['part_refund'], name='order_part_refund'),
        ),
        AddIndexConcurrently(
            model_name='order',
            index=models.Index(condition=models.Q(('flagged_at__isnull', False)), fields=['flagged_at'], name='order_flagged'),
        ),
        AddIndexConcurrently(
            model_name='orderlog',
            index=BrinIndex(fields=['at'], name='order_log_day'),
        ),
    ]
