"""The tenants (operator -> reseller -> customer -> site), their people and tokens, and the audit trail.

A person belongs to exactly one tenant; what they see follows from that alone (`queries.py`). Secrets are kept as
digests only.
"""

from typing import ClassVar

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models import Q


class Operator(models.Model):
    """Runs the fleet and its security; sees everything below it."""

    name = models.CharField(max_length=120, unique=True)

    def __str__(self) -> str:
        return self.name


class Reseller(models.Model):
    """Sells to and supports its own customers, and sees only those."""

    operator = models.ForeignKey(Operator, models.PROTECT, related_name="resellers")
    name = models.CharField(max_length=120)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["operator", "name"], name="reseller_once")]

    def __str__(self) -> str:
        return self.name


class Customer(models.Model):
    """A company with units."""

    reseller = models.ForeignKey(Reseller, models.PROTECT, related_name="customers")
    name = models.CharField(max_length=120)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["reseller", "name"], name="customer_once")]

    def __str__(self) -> str:
        return self.name


class Site(models.Model):
    """A place of a customer; what a unit reports belongs to the site it stood at then."""

    customer = models.ForeignKey(Customer, models.PROTECT, related_name="sites")
    name = models.CharField(max_length=120)
    business = models.CharField(max_length=40, default="", blank=True)
    """What is done there, in one word of the operator's choice; sites of the same word are compared."""
    staff = models.PositiveIntegerField(null=True)
    """People who work there."""

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["customer", "name"], name="site_once")]

    def __str__(self) -> str:
        return self.name


class User(AbstractUser):
    """A person who signs in; `membership` says for whom they act."""

    language = models.CharField(max_length=5, default="", blank=True)


class Membership(models.Model):
    """The one tenant a person acts for."""

    user = models.OneToOneField(User, models.CASCADE, related_name="membership")
    operator = models.ForeignKey(Operator, models.CASCADE, null=True, related_name="members")
    reseller = models.ForeignKey(Reseller, models.CASCADE, null=True, related_name="members")
    customer = models.ForeignKey(Customer, models.CASCADE, null=True, related_name="members")

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                name="one_tenant",
                condition=Q(operator__isnull=False, reseller__isnull=True, customer__isnull=True)
                | Q(operator__isnull=True, reseller__isnull=False, customer__isnull=True)
                | Q(operator__isnull=True, reseller__isnull=True, customer__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user.username} for {self.operator or self.reseller or self.customer}"


class Token(models.Model):
    """A key for the operators' API; only the digest of its secret half is kept."""

    user = models.ForeignKey(User, models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=80)
    public = models.CharField(max_length=16, unique=True)
    digest = models.CharField(max_length=64)
    created = models.DateTimeField()
    expires = models.DateTimeField(null=True)
    last_used = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.name


class Audit(models.Model):
    """Who did what, when. Written in the transaction of the change itself, never altered."""

    at = models.DateTimeField(db_index=True)
    actor = models.CharField(max_length=160)
    operation = models.CharField(max_length=60)
    target = models.CharField(max_length=120)
    site = models.ForeignKey(Site, models.SET_NULL, null=True)
    details = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.actor}: {self.operation} {self.target}"
