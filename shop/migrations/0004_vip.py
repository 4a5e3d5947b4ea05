"""What is new in a product."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('shop', '0003_line_description'),
    ]

    operations = [
        migrations.AddField(
            model_name='product',
            name='vip_days',
            field=models.PositiveSmallIntegerField(db_default=30, default=30, help_text='每件延长的天数', verbose_name='VIP 天数'),
        ),
        migrations.AddField(
            model_name='product',
            name='vip_level',
            field=models.PositiveSmallIntegerField(db_default=1, default=1, help_text='只对 VIP 类目的商品有效', verbose_name='VIP 等级'),
        ),
        migrations.AddConstraint(
            model_name='product',
            constraint=models.CheckConstraint(condition=models.Q(('vip_days__gt', 0), ('vip_level__gt', 0)), name='product_vip_above_zero'),
        ),
    ]
