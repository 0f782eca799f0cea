from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('units', '0002_ways_to_apply'),
    ]

    operations = [
        migrations.AddField(
            model_name='unit',
            name='reasons',
            field=models.JSONField(blank=True, default=dict),
        ),
    ]
