import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("students", "0015_student_life"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='archivedstudent',
            name='account',
            field=models.ForeignKey(db_constraint=False, db_index=False, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='账号'),
        ),
        migrations.AddField(
            model_name='archivedstudent',
            name='entered_on',
            field=models.DateField(blank=True, null=True, verbose_name='入学日期'),
        ),
        migrations.AddField(
            model_name='archivedstudent',
            name='gender',
            field=models.CharField(blank=True, choices=[('男', '男'), ('女', '女')], db_default='', default='', max_length=1, verbose_name='性别'),
        ),
        migrations.AddField(
            model_name='archivedstudent',
            name='id_card',
            field=models.CharField(blank=True, db_default='', default='', max_length=18, verbose_name='身份证'),
        ),
        migrations.AddField(
            model_name='archivedstudent',
            name='left_on',
            field=models.DateField(blank=True, null=True, verbose_name='结业日期'),
        ),
        migrations.AddField(
            model_name='archivedstudent',
            name='parent_phone',
            field=models.CharField(blank=True, db_default='', default='', max_length=32, verbose_name='家长电话'),
        ),
        migrations.AddField(
            model_name='archivedstudent',
            name='phone',
            field=models.CharField(blank=True, db_default='', default='', max_length=32, verbose_name='电话'),
        ),
        migrations.AddField(
            model_name='archivedstudent',
            name='remark',
            field=models.CharField(blank=True, db_default='', default='', max_length=500, verbose_name='备注'),
        ),
        migrations.AddField(
            model_name='archivedstudent',
            name='state',
            field=models.CharField(choices=[('studying', '在读'), ('suspended', '休学'), ('withdrawn', '退学'), ('graduated', '结业')], db_default='studying', default='studying', editable=False, max_length=10, verbose_name='状态'),
        ),
        migrations.AddField(
            model_name='archivedstudent',
            name='state_on',
            field=models.DateField(editable=False, null=True, verbose_name='状态日期'),
        ),
        migrations.AddField(
            model_name='archivedstudent',
            name='state_reason',
            field=models.CharField(db_default='', default='', editable=False, max_length=200, verbose_name='状态原因'),
        ),
    ]
