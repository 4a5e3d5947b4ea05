from django.db import migrations, models

from accounts.usernames import Folded
from core.db.indexes import AddIndexConcurrently


class Migration(migrations.Migration):
    atomic = False  # logins do not wait for the index

    dependencies = [
        ('accounts', '0011_phone_right'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='user',
            index=models.Index(Folded('username'), name='user_folded_name'),
        ),
    ]
