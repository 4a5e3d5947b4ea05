import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("students", "0013_bulk_edit"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='SchoolClass',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=64, unique=True, verbose_name='班级')),
                ('begins_on', models.DateField(blank=True, null=True, verbose_name='开班日期')),
                ('ends_on', models.DateField(blank=True, null=True, verbose_name='结业日期')),
                ('room', models.CharField(blank=True, db_default='', max_length=32, verbose_name='教室')),
                ('capacity', models.PositiveSmallIntegerField(blank=True, null=True, verbose_name='容量')),
                ('campus', models.CharField(blank=True, db_default='', max_length=32, verbose_name='校区')),
                ('state', models.CharField(choices=[('open', '开班'), ('ended', '结业')], db_default='open', default='open', max_length=8, verbose_name='状态')),
            ],
            options={
                'verbose_name': '班级',
                'verbose_name_plural': '班级',
                'ordering': ['name'],
            },
        ),
        migrations.CreateModel(
            name='StudentEvent',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('student_pk', models.BigIntegerField(verbose_name='学员编号')),
                ('sid', models.CharField(max_length=12, verbose_name='学号')),
                ('class_name', models.CharField(max_length=64, verbose_name='班级')),
                ('kind', models.CharField(choices=[('moved', '换班'), ('suspended', '休学'), ('withdrawn', '退学'), ('graduated', '结业'), ('returned', '复学'), ('archived', '归档'), ('restored', '恢复归档')], max_length=10, verbose_name='事件')),
                ('on', models.DateField(verbose_name='日期')),
                ('is_leaving', models.BooleanField(default=False, verbose_name='离开')),
                ('is_return', models.BooleanField(default=False, verbose_name='回来')),
                ('detail', models.CharField(blank=True, max_length=200, verbose_name='说明')),
                ('run_pk', models.BigIntegerField(null=True, verbose_name='批量操作')),
            ],
            options={
                'verbose_name': '学员经历',
                'verbose_name_plural': '学员经历',
                'ordering': ['pk'],
                'default_permissions': (),
            },
        ),
        migrations.AddField(
            model_name='schoolclass',
            name='head_teacher',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', db_constraint=False, to=settings.AUTH_USER_MODEL, verbose_name='班主任'),
        ),
        migrations.AddField(
            model_name='schoolclass',
            name='teachers',
            field=models.ManyToManyField(blank=True, db_constraint=False, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='任课老师'),
        ),
        migrations.AddField(
            model_name='studentevent',
            name='created_by',
            field=models.ForeignKey(blank=True, db_constraint=False, db_index=False, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='录入人'),
        ),
        migrations.AddIndex(
            model_name='studentevent',
            index=models.Index(fields=['student_pk', 'id'], name='event_of_student'),
        ),
        migrations.AddIndex(
            model_name='studentevent',
            index=models.Index(condition=models.Q(('is_leaving', True)), fields=['on'], include=('created_by',), name='event_leaving'),
        ),
        migrations.AddIndex(
            model_name='studentevent',
            index=models.Index(condition=models.Q(('is_return', True)), fields=['on'], include=('created_by',), name='event_return'),
        ),
        migrations.AddIndex(
            model_name='studentevent',
            index=models.Index(condition=models.Q(('run_pk__isnull', False)), fields=['run_pk'], name='event_of_run'),
        ),
        migrations.AddIndex(
            model_name='studentevent',
            index=models.Index(condition=models.Q(('created_by__isnull', False)), fields=['created_by', 'on'], name='event_of_person'),
        ),
    ]
