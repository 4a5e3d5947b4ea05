from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0001_initial'),
        ('permissions', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='user',
            name='is_phone_bound',
            field=models.BooleanField(db_default=False, default=False, editable=False, verbose_name='手机号已用于登录'),
        ),
        migrations.AddField(
            model_name='user',
            name='vip_expires_at',
            field=models.DateTimeField(blank=True, help_text='有等级而没有到期时间:长期有效', null=True, verbose_name='VIP 到期时间'),
        ),
        migrations.AddField(
            model_name='user',
            name='vip_level',
            field=models.PositiveSmallIntegerField(db_default=0, default=0, verbose_name='VIP 等级'),
        ),
        migrations.AddConstraint(
            model_name='user',
            constraint=models.UniqueConstraint(condition=models.Q(('is_phone_bound', True)), fields=('phone',), name='user_one_per_login_phone'),
        ),
    ]
