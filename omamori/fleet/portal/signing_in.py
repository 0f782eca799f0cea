"""Signing in, by Django's own views, with a limit on tries and the person's own language."""

import time
from typing import Any, Final

from django.conf import settings
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.forms import ValidationError
from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _

from omamori.fleet.surfaces.limits import RateLimit, network_of

TRIES_A_MINUTE: Final = 10


class SignInForm(AuthenticationForm):
    """Says too many tries before it looks at the password, for each name and each address."""

    limits = {"name": RateLimit(TRIES_A_MINUTE), "address": RateLimit(3 * TRIES_A_MINUTE)}  # noqa: RUF012 - shared on purpose

    def clean(self) -> dict[str, Any]:
        """Raises ValidationError."""
        now = time.monotonic()
        name = str(self.cleaned_data.get("username", "")).lower()
        address = network_of(self.request.META.get("REMOTE_ADDR", "")) if self.request else "unknown"
        allowed = [self.limits["name"].allows(name, now), self.limits["address"].allows(address, now)]
        if not all(allowed):
            raise ValidationError(_("Too many tries. Please wait a minute."))
        return super().clean()


class SignIn(LoginView):
    """The page; a person who chose a language when they were added gets it from then on."""

    template_name = "portal/sign_in.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        response = super().form_valid(form)
        language = getattr(form.get_user(), "language", "")
        if language and settings.LANGUAGE_COOKIE_NAME not in self.request.COOKIES:
            remember_language(response, language)
        return response


def remember_language(response: HttpResponse, language: str) -> None:
    """What Django's language switch sets, too."""
    response.set_cookie(
        settings.LANGUAGE_COOKIE_NAME,
        language,
        max_age=365 * 86_400,
        secure=settings.LANGUAGE_COOKIE_SECURE,
        samesite="Lax",
    )
