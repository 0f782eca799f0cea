"""Letters to the mail server: each sent once where the server takes it, tried again ever more seldom where it does not.

A letter is marked in a transaction of its own right after the server took it: what is lost in between is sent twice, never dropped.
Before that it is claimed for a while, so that several servers on one database send it once; a claim of one that was killed runs out.
Without a mail server in the settings nothing is sent, and the letters wait.
"""

import smtplib
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend

from omamori.fleet.errors import Invalid
from omamori.fleet.notices.models import Letter
from omamori.fleet.notices.operations import stop_address

BATCH: Final = 200
"""Letters of one run."""
PATIENCE: Final = 5
"""Failures after which a run ends: each may take as long as the mail server keeps us waiting."""
MOST_TRIES: Final = 10
CLAIM: Final = timedelta(hours=1)
"""Longer than any mail server keeps us waiting with one letter."""
_FIRST_PAUSE: Final = timedelta(minutes=5)
_LONGEST_PAUSE: Final = timedelta(hours=6)


def deliver(*, now: datetime) -> dict[str, int]:
    """Send what is due; gives how many were sent, failed, and are left waiting. Raises Invalid."""
    sent = failed = 0
    if settings.EMAIL_HOST:
        due = Letter.objects.filter(sent__isnull=True, again__lte=now).select_related("recipient")
        waiting = list(due.order_by("again", "pk")[:BATCH])
        connection = get_connection(password=_password())
        for letter in waiting:
            if failed >= PATIENCE:
                break
            if not _claimed(letter, now):
                continue
            if _send(letter, connection, now):
                sent += 1
            else:
                failed += 1
        connection.close()
    left = Letter.objects.filter(sent__isnull=True, again__isnull=False).count()
    return {"sent": sent, "failed": failed, "waiting": left}


def _password() -> str:
    """Out of its own file: settings hold no secret. Raises Invalid."""
    file = str(settings.FLEET["mail_password_file"])
    try:
        return Path(file).read_text("utf-8").strip() if file else ""
    except (OSError, UnicodeError) as error:
        raise Invalid(f"mail_password_file cannot be read: {error}") from error


def _claimed(letter: Letter, now: datetime) -> bool:
    """Whether it is this run's: not where another took it, or where it was stopped, since it was listed."""
    still = Letter.objects.filter(pk=letter.pk, sent__isnull=True, again=letter.again)
    return still.update(again=now + CLAIM) == 1


def _send(letter: Letter, connection: BaseEmailBackend, now: datetime) -> bool:
    letter.tries += 1
    try:
        _mail(letter, connection).send()
    except (OSError, smtplib.SMTPException, ValueError) as error:
        connection.close()
        letter.problem = str(error)[:200]
        letter.again = _next(letter.tries, now)
    else:
        letter.sent, letter.again, letter.problem = now, None, ""
    letter.save(update_fields=["tries", "problem", "again", "sent"])
    return letter.sent is not None


def _mail(letter: Letter, connection: BaseEmailBackend) -> EmailMessage:
    stop = stop_address(letter.recipient)
    headers = {
        "List-Unsubscribe": f"<{stop}>",  # RFC 2369, and RFC 8058 for the button of mail programs
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "Auto-Submitted": "auto-generated",  # RFC 3834: no holiday replies
    }
    return EmailMessage(
        letter.subject, letter.text, to=[letter.recipient.address], headers=headers, connection=connection
    )


def _next(tries: int, now: datetime) -> datetime | None:
    if tries >= MOST_TRIES:
        return None
    pause: timedelta = _FIRST_PAUSE * 2 ** (tries - 1)
    return now + min(pause, _LONGEST_PAUSE)
