"""What is new in an order, and the list of couriers."""

from django.db import migrations, models

COURIERS = ["顺丰速运", "京东快递", "中通快递", "圆通速递", "申通快递", "韵达快递", "极兔速递", "邮政快递包裹", "EMS", "德邦快递"]


def add_couriers(apps, schema_editor):
    """The usual ones; staff edit the list under 快递公司."""
    Courier = apps.get_model("shop", "Courier")
    for at, name in enumerate(COURIERS, 1):
        Courier.objects.get_or_create(name=name, defaults={"position": at * 10})


class Migration(migrations.Migration):

    dependencies = [
        ('shop', '0004_vip'),
    ]

    operations = [
        migrations.CreateModel(
            name='Courier',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=32, unique=True, verbose_name='名称')),
                ('position', models.PositiveSmallIntegerField(default=100, help_text='小的在前', verbose_name='排序')),
                ('is_active', models.BooleanField(default=True, help_text='不再使用的不出现在发货页,已发的订单不变', verbose_name='使用中')),
            ],
            options={
                'verbose_name': '快递公司',
                'verbose_name_plural': '快递公司',
                'ordering': ['position', 'pk'],
            },
        ),
        migrations.RunPython(add_couriers, migrations.RunPython.noop),
        migrations.AddField(
            model_name='order',
            name='express_company',
            field=models.CharField(blank=True, db_default='', default='', max_length=32, verbose_name='快递公司'),
        ),
        migrations.AddField(
            model_name='order',
            name='express_no',
            field=models.CharField(blank=True, db_default='', default='', max_length=40, verbose_name='快递单号'),
        ),
        migrations.AddField(
            model_name='order',
            name='recipient',
            field=models.CharField(blank=True, db_default='', default='', max_length=64, verbose_name='收件人'),
        ),
        migrations.AddField(
            model_name='order',
            name='part_refund',
            field=models.CharField(blank=True, choices=[('', '没有'), ('under_way', '退款中'), ('stuck', '退款异常')], db_default='', default='', max_length=10, verbose_name='部分退款'),
        ),
        migrations.AddField(
            model_name='order',
            name='refunded',
            field=models.DecimalField(db_default=0, decimal_places=2, default=0, max_digits=12, verbose_name='已退款(元)'),
        ),
        migrations.AddField(
            model_name='order',
            name='flag_reason',
            field=models.CharField(blank=True, db_default='', default='', max_length=200, verbose_name='关注原因'),
        ),
        migrations.AddField(
            model_name='order',
            name='flagged_at',
            field=models.DateTimeField(blank=True, null=True, verbose_name='需关注自'),
        ),
        migrations.AddField(
            model_name='order',
            name='flagged_by',
            field=models.CharField(blank=True, db_default='', default='', max_length=64, verbose_name='标记人'),
        ),
        migrations.AddConstraint(
            model_name='order',
            constraint=models.CheckConstraint(condition=models.Q(('refunded__gte', 0), ('refunded__lte', models.F('total'))), name='order_refunded_within_total'),
        ),
        migrations.AddConstraint(
            model_name='order',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('flag_reason', ''), ('flagged_at', None), ('flagged_by', '')), models.Q(('flagged_at__isnull', False), models.Q(('flagged_by', ''), _negated=True), models.Q(('flag_reason', ''), _negated=True)), _connector='OR'), name='order_flag_has_reason'),
        ),
    ]
