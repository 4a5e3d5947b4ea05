from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shop", "0025_no_parcel")]

    operations = [
        migrations.AddField(
            model_name="order",
            name="courier_fee",
            field=models.DecimalField(
                blank=True, decimal_places=2, max_digits=8, null=True, verbose_name="快递费（元）"
            ),
        ),
        AddConstraintNotValid(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(courier_fee__gte=0), name="order_courier_fee_not_negative"
            ),
        ),
    ]
