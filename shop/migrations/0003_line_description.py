"""What is new in a line of an order, and the tables that refer to lines.

All of it is in one migration, because each one locks one busy table (CONTRIBUTING.md).
"""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('shop', '0002_order_search'),
    ]

    operations = [
        migrations.AddField(
            model_name='orderline',
            name='description',
            field=models.TextField(blank=True, db_default='', default='', verbose_name='商品描述'),
        ),
        migrations.AddField(
            model_name='orderline',
            name='vip_days',
            field=models.PositiveSmallIntegerField(db_default=0, default=0, verbose_name='VIP 天数'),
        ),
        migrations.AddField(
            model_name='orderline',
            name='vip_level',
            field=models.PositiveSmallIntegerField(db_default=0, default=0, verbose_name='VIP 等级'),
        ),
        migrations.AddField(
            model_name='orderline',
            name='refunded_quantity',
            field=models.PositiveIntegerField(db_default=0, default=0, verbose_name='已退件数'),
        ),
        migrations.AddField(
            model_name='orderline',
            name='restocked_quantity',
            field=models.PositiveIntegerField(db_default=0, default=0, verbose_name='放回货架的件数'),
        ),
        migrations.AddConstraint(
            model_name='orderline',
            constraint=models.CheckConstraint(condition=models.Q(('refunded_quantity__lte', models.F('quantity')), ('restocked_quantity__lte', models.F('refunded_quantity'))), name='line_refunded_within_quantity'),
        ),
        migrations.CreateModel(
            name='VipGrant',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('level', models.PositiveSmallIntegerField(verbose_name='等级')),
                ('level_before', models.PositiveSmallIntegerField(verbose_name='之前的等级')),
                ('begins_at', models.DateTimeField(verbose_name='开始')),
                ('ends_at', models.DateTimeField(verbose_name='结束')),
                ('revoked_at', models.DateTimeField(blank=True, null=True, verbose_name='撤销时间')),
                ('line', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='vip_grant', to='shop.orderline', verbose_name='订单商品')),
            ],
            options={
                'verbose_name': 'VIP 时长',
                'verbose_name_plural': 'VIP 时长',
                'ordering': ['pk'],
                'constraints': [models.CheckConstraint(condition=models.Q(('ends_at__gte', models.F('begins_at'))), name='vip_grant_ends_after_begin')],
            },
        ),
        migrations.CreateModel(
            name='LineRefund',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('out_refund_no', models.CharField(db_index=True, max_length=64, verbose_name='商户退款单号')),
                ('quantity', models.PositiveIntegerField(verbose_name='件数')),
                ('is_restocked', models.BooleanField(verbose_name='放回货架')),
                ('line', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='refunds', to='shop.orderline', verbose_name='订单商品')),
            ],
            options={
                'verbose_name': '退款的商品',
                'verbose_name_plural': '退款的商品',
                'ordering': ['pk'],
                'constraints': [
                    models.UniqueConstraint(fields=('line', 'out_refund_no'), name='line_refund_once'),
                    models.CheckConstraint(condition=models.Q(('quantity__gt', 0)), name='line_refund_quantity_above_zero'),
                ],
            },
        ),
    ]
