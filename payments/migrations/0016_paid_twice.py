from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('payments', '0015_claimed_bills'),
    ]

    operations = [
        migrations.AddField(
            model_name='refund',
            name='paid_twice_at',
            field=models.DateTimeField(blank=True, editable=False, null=True, verbose_name='重复退款时间'),
        ),
    ]
