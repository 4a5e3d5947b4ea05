from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('payments', '0017_fill_paid_twice'),
    ]

    operations = [
        migrations.AddField(
            model_name='billrun',
            name='fee_fen',
            field=models.BigIntegerField(blank=True, null=True, verbose_name='手续费（分）'),
        ),
        migrations.AddField(
            model_name='billrun',
            name='fee_rates',
            field=models.CharField(blank=True, db_default='', default='', max_length=64, verbose_name='费率'),
        ),
    ]
