from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations, models

from core.db.indexes import AddIndexConcurrently


class Migration(migrations.Migration):
    atomic = False  # orders do not wait for the index

    dependencies = [
        ('shop', '0019_returned_pieces'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='order',
            index=models.Index(condition=models.Q(('return_no', ''), _negated=True), fields=['return_no'], name='order_return_no', opclasses=['varchar_pattern_ops']),
        ),
        ValidateConstraint(model_name='orderline', name='line_received_within_quantity'),
    ]
