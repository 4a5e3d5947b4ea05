"""What is new in a refund."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('payments', '0003_refused_notices'),
    ]

    operations = [
        migrations.AddField(
            model_name='refund',
            name='accepted_at',
            field=models.DateTimeField(blank=True, null=True, verbose_name='微信受理时间'),
        ),
        migrations.AddField(
            model_name='refund',
            name='billed_on',
            field=models.DateField(blank=True, null=True, verbose_name='对账日'),
        ),
        migrations.AddField(
            model_name='refund',
            name='funds_account',
            field=models.CharField(blank=True, db_default='', default='', max_length=32, verbose_name='出款账户'),
        ),
        migrations.AddField(
            model_name='refund',
            name='offline_at',
            field=models.DateTimeField(blank=True, null=True, verbose_name='线下退款登记时间'),
        ),
        migrations.AddField(
            model_name='refund',
            name='offline_by',
            field=models.CharField(blank=True, db_default='', default='', max_length=64, verbose_name='线下退款登记人'),
        ),
        migrations.AddField(
            model_name='refund',
            name='offline_voucher',
            field=models.CharField(blank=True, db_default='', default='', max_length=64, verbose_name='凭证号'),
        ),
        migrations.AddField(
            model_name='refund',
            name='offline_way',
            field=models.CharField(blank=True, choices=[('bank', '银行转账'), ('cash', '现金'), ('wechat', '微信转账'), ('alipay', '支付宝转账'), ('platform', '在商户平台退款'), ('other', '其他')], db_default='', default='', max_length=10, verbose_name='线下退款方式'),
        ),
        migrations.AddField(
            model_name='refund',
            name='received_by',
            field=models.CharField(blank=True, db_default='', default='', max_length=64, verbose_name='入账账户'),
        ),
        migrations.AddField(
            model_name='refund',
            name='replaced_by',
            field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='payments.refund', verbose_name='新退款单'),
        ),
        migrations.AddField(
            model_name='refund',
            name='sent_at',
            field=models.DateTimeField(blank=True, null=True, verbose_name='最近提交'),
        ),
        migrations.AddField(
            model_name='refund',
            name='way',
            field=models.CharField(blank=True, choices=[('', '原路'), ('merchant', '商户账户'), ('card', '买家银行卡')], db_default='', default='', max_length=10, verbose_name='退至'),
        ),
        migrations.AlterField(
            model_name='refund',
            name='state',
            field=models.CharField(choices=[('pending', '待提交'), ('processing', '退款中'), ('success', '已退款'), ('abnormal', '退款异常'), ('closed', '退款关闭'), ('failed', '退款失败'), ('owed', '待线下退款'), ('offline', '已线下退款')], default='pending', max_length=10, verbose_name='状态'),
        ),
        migrations.AddConstraint(
            model_name='refund',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('state', 'offline'), _negated=True), models.Q(('offline_at__isnull', False), models.Q(('offline_by', ''), _negated=True), models.Q(('offline_way', ''), _negated=True), models.Q(('offline_voucher', ''), _negated=True)), _connector='OR'), name='refund_offline_has_proof'),
        ),
    ]
