"""Who is told of a site, what was told when, and the letters that wait for the mail server."""

from typing import ClassVar

from django.db import models

from omamori.fleet.accounts.models import Site


class Recipient(models.Model):
    """An address that gets the messages of a site until it has them stopped."""

    site = models.ForeignKey(Site, models.CASCADE, related_name="recipients")
    address = models.EmailField(max_length=254)
    language = models.CharField(max_length=5)
    key = models.CharField(max_length=43, unique=True)
    """Whoever knows it may stop the messages without signing in."""
    added = models.DateTimeField()
    stopped = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["site", "address"], name="recipient_once"),
        ]

    def __str__(self) -> str:
        return self.address


class Watch(models.Model):
    """How far a site's hosts have been looked at."""

    site = models.OneToOneField(Site, models.CASCADE, primary_key=True, related_name="watch")
    day = models.DateField()
    """The site's own day on which it was looked at last."""

    def __str__(self) -> str:
        return f"site {self.site_id} until {self.day:%Y-%m-%d}"


class Known(models.Model):
    """A host that is no news any more, and what of it was told last."""

    site = models.ForeignKey(Site, models.CASCADE, related_name="known_hosts")
    mac = models.CharField(max_length=17)
    told = models.CharField(max_length=12, default="", blank=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["site", "mac"], name="known_once")]

    def __str__(self) -> str:
        return self.mac


class Notice(models.Model):
    """What was new at a site on one day; the database keeps it to one a day."""

    site = models.ForeignKey(Site, models.CASCADE, related_name="notices")
    day = models.DateField()
    created = models.DateTimeField()
    news = models.JSONField()
    """Rows of `news.News` as objects."""

    class Meta:
        ordering: ClassVar = ["-day", "-pk"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["site", "day"], name="notice_once_a_day")]

    def __str__(self) -> str:
        return f"site {self.site_id} on {self.day:%Y-%m-%d}"


class Letter(models.Model):
    """A notice to one recipient, as it is or was mailed."""

    notice = models.ForeignKey(Notice, models.CASCADE, related_name="letters")
    recipient = models.ForeignKey(Recipient, models.CASCADE, related_name="letters")
    subject = models.CharField(max_length=200)
    text = models.TextField()
    created = models.DateTimeField()
    sent = models.DateTimeField(null=True)
    tries = models.PositiveSmallIntegerField(default=0)
    again = models.DateTimeField(null=True)
    """When it may be tried; None once it was sent or given up."""
    problem = models.CharField(max_length=200, default="", blank=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["notice", "recipient"], name="letter_once")]
        indexes: ClassVar = [
            models.Index(fields=["again"], name="letter_waiting", condition=models.Q(sent__isnull=True)),
        ]

    def __str__(self) -> str:
        return self.subject
