from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('units', '0004_revoked'),
    ]

    operations = [
        migrations.AddField(
            model_name='want',
            name='mirror',
            field=models.CharField(blank=True, default='', max_length=200),
        ),
        migrations.AddField(
            model_name='want',
            name='rate',
            field=models.BigIntegerField(default=0),
        ),
    ]
