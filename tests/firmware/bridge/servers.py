"""Real servers for files and mails, each run inside a namespace on an address of its own test: FTP, SMTP, POP3 and IMAP."""

import contextlib
import shutil
import tempfile
from pathlib import Path

from lab.namespaces import wait_until

SYSTEM_PYTHON = "/usr/bin/python3"
USER, PASSWORD = "user", "secret"
DOVECOT = """
protocols = imap pop3
listen = {address}
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
ssl = no
disable_plaintext_auth = no
mail_location = maildir:{folder}/mail
default_vsz_limit = 256 M
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home={folder}/home
}}
"""


@contextlib.contextmanager
def _folder():
    """One that servers which give up their rights can still read."""
    path = Path(tempfile.mkdtemp(prefix="omamori-servers-"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _wait(inside, *ports):
    for port in ports:
        listening = ("sh", "-c", f"ss -Hltn | grep -q ':{port} '")
        wait_until(
            lambda check=listening: inside.run(*check, check=False).returncode == 0,
            seconds=20,
            what=f"port {port} to listen",
        )


@contextlib.contextmanager
def ftp(inside, address):
    """A folder that anyone may read and write, served by pyftpdlib; its path."""
    with _folder() as folder:
        command = (
            SYSTEM_PYTHON,
            "-W",
            "ignore",
            "-m",
            "pyftpdlib",
            "-i",
            address,
            "-p",
            "21",
            "-w",
            "-d",
            folder,
        )
        with inside.running(*command):
            _wait(inside, 21)
            yield folder


@contextlib.contextmanager
def smtp(inside, address):
    """aiosmtpd; the maildir it delivers to."""
    with _folder() as folder:
        mails = folder / "mails"
        handler = ("-c", "aiosmtpd.handlers.Mailbox", mails)
        with inside.running(
            SYSTEM_PYTHON, "-W", "ignore", "-m", "aiosmtpd", "-n", "-l", f"{address}:25", *handler
        ):
            _wait(inside, 25)
            yield mails


@contextlib.contextmanager
def dovecot(inside, address):
    """Dovecot with one user; the maildir of the inbox."""
    with _folder() as folder:
        config = folder / "dovecot.conf"
        config.write_text(DOVECOT.format(address=address, folder=folder, password=PASSWORD), encoding="ascii")
        for name in ("home", "mail/new", "mail/cur", "mail/tmp", "state"):
            (folder / name).mkdir(parents=True)
        for path in [folder / "home", *folder.glob("mail/**")]:
            shutil.chown(path, "nobody", "nogroup")
        with inside.running("/usr/sbin/dovecot", "-F", "-c", config):
            _wait(inside, 110, 143)
            yield folder / "mail"
