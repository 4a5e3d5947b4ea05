from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("payments", "0018_bill_fees")]

    operations = [
        migrations.AddField(
            model_name="payment",
            name="calls_open",
            field=models.SmallIntegerField(db_default=1, default=1, editable=False, verbose_name="没有被拒绝的下单"),
        ),
    ]
