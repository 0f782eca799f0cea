"""A mail server for scenarios: Dovecot (POP3 and IMAP), private to one directory and namespace, with one mailbox.

`mailbox(namespace, mails)` serves the given messages until its context ends; user and password are USER and
PASSWORD. The messages are a pure function of their arguments, so that a test can tell which bytes arrived.
"""

import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

from lab.namespaces import Namespace

USER, PASSWORD = "keiri", "himitsu"
"""Of a mailbox that exists for some seconds, in a namespace."""

_SETTINGS = """
base_dir = {directory}/run
state_dir = {directory}/state
log_path = {directory}/dovecot.log
instance_name = {name}
protocols = pop3 imap
listen = *
ssl = no
disable_plaintext_auth = no
mail_location = maildir:{directory}/mail
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home={directory}
}}
"""


def message(subject: str, text: str, attachment: bytes = b"", *, name: str = "report.bin") -> bytes:
    """A mail as it lies in a mailbox, lines ended by CRLF; an attachment in base64."""
    mail = EmailMessage(policy=SMTP)
    mail["From"], mail["To"], mail["Subject"] = "honsha@mail.example", f"{USER}@mail.example", subject
    mail["Date"], mail["Message-ID"] = (
        "Mon, 02 Nov 2026 09:00:00 +0900",
        f"<{subject.encode().hex()}@mail.example>",
    )
    mail.set_content(text)
    if attachment:
        mail.add_attachment(attachment, maintype="application", subtype="octet-stream", filename=name)
        mail.set_boundary("=-omamori-mail")
    return mail.as_bytes()


@contextlib.contextmanager
def mailbox(namespace: Namespace, mails: Sequence[bytes]) -> Iterator[None]:
    """Serve these mails, first one first, on every address of the namespace. Raises TimeoutError with the server's log."""
    with tempfile.TemporaryDirectory(prefix="omamori-mail-") as made:
        directory = Path(made)
        # Dovecot reads mail as an ordinary user, never as root.
        directory.chmod(0o755)
        for part in ("mail", "mail/new", "mail/cur", "mail/tmp"):
            (directory / part).mkdir()
            shutil.chown(directory / part, "nobody", "nogroup")
        for number, mail in enumerate(mails):
            path = directory / f"mail/new/{1_700_000_000 + number}.M{number}.mail"
            path.write_bytes(mail)
            shutil.chown(path, "nobody", "nogroup")
        settings = directory / "dovecot.conf"
        text = _SETTINGS.format(directory=directory, name=namespace.name, password=PASSWORD)
        settings.write_text(text, encoding="ascii")
        with namespace.running("dovecot", "-F", "-c", settings):
            _wait(namespace, directory / "dovecot.log")
            yield


def _wait(namespace: Namespace, log: Path) -> None:
    deadline = time.monotonic() + 30
    while namespace.run(
        "curl", "-s", "-m", "2", f"pop3://{USER}:{PASSWORD}@127.0.0.1/", check=False
    ).returncode:
        if time.monotonic() > deadline:
            raise TimeoutError(
                f"the mail server does not answer: {log.read_text()[-1000:] if log.exists() else ''}"
            )
        time.sleep(0.2)
