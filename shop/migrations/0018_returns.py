from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('shop', '0017_fill_log_codes'),
    ]

    operations = [
        migrations.AddField(
            model_name='order',
            name='return_step',
            field=models.CharField(blank=True, choices=[('', '退货待处理'), ('agreed', '待寄回'), ('received', '退货已收到')], db_default='', default='', max_length=10, verbose_name='退货进度'),
        ),
        migrations.AddField(
            model_name='order',
            name='return_no',
            field=models.CharField(blank=True, db_default='', default='', max_length=40, verbose_name='寄回单号'),
        ),
    ]
