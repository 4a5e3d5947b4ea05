from django.db import migrations, models

from core.db.indexes import AddIndexConcurrently


class Migration(migrations.Migration):
    atomic = False  # changes of students do not wait for the indexes

    dependencies = [
        ("students", "0016_archived_life"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='archivedstudent',
            index=models.Index(fields=['created_at'], name='archived_student_of_day'),
        ),
        AddIndexConcurrently(
            model_name='archivedstudent',
            index=models.Index(fields=['class_name'], name='archived_student_of_class'),
        ),
        AddIndexConcurrently(
            model_name='archivedstudent',
            index=models.Index(condition=models.Q(('account__isnull', False)), fields=['account'], name='archived_of_account'),
        ),
        AddIndexConcurrently(
            model_name='student',
            index=models.Index(condition=models.Q(('phone', ''), _negated=True), fields=['phone'], name='student_of_phone'),
        ),
        AddIndexConcurrently(
            model_name='student',
            index=models.Index(condition=models.Q(('parent_phone', ''), _negated=True), fields=['parent_phone'], name='student_of_parent'),
        ),
        AddIndexConcurrently(
            model_name='student',
            index=models.Index(condition=models.Q(('state', 'studying'), _negated=True), fields=['state', '-id'], name='student_of_state'),
        ),
    ]
