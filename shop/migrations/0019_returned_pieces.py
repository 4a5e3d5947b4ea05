from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('shop', '0018_returns'),
    ]

    operations = [
        migrations.AddField(
            model_name='orderline',
            name='received_quantity',
            field=models.PositiveIntegerField(db_default=0, default=0, verbose_name='收到的退货件数'),
        ),
        migrations.AddField(
            model_name='orderline',
            name='shelved_quantity',
            field=models.PositiveIntegerField(db_default=0, default=0, verbose_name='收到后放回货架的件数'),
        ),
        AddConstraintNotValid(
            model_name='orderline',
            constraint=models.CheckConstraint(condition=models.Q(('received_quantity__lte', models.F('quantity') - models.F('restocked_quantity')), ('shelved_quantity__lte', models.F('received_quantity'))), name='line_received_within_quantity'),
        ),
    ]
