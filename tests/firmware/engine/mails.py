"""Mails with and without malware, as mail programs make them, and the conversations that carry them."""

import base64
import email
import email.policy
import quopri
from email.message import EmailMessage

MARK = b"MALWARE<0123456789>TEST"
PADDING = bytes(range(256)) * 8


def infected(before=PADDING, after=PADDING):
    return before + MARK + after


def mail(*files, text="An ordinary letter.\n..with dots\n.at line starts\n"):
    """`files` are (name, content, transfer encoding)."""
    message = EmailMessage(policy=email.policy.SMTP)
    message["From"], message["To"], message["Subject"] = "a@example.com", "b@example.com", "Invoice"
    message.set_content(text)
    for name, content, encoding in files:
        message.add_attachment(
            content, maintype="application", subtype="octet-stream", filename=name, cte=encoding
        )
    return message.as_bytes()


def by_hand(encoded, encoding, *, boundary=b"=-xyz"):
    """A mail with one part that is encoded already."""
    return (
        b'From: a@example.com\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n boundary="' + boundary + b'"\r\n'
        b"\r\nNot read.\r\n--" + boundary + b"\r\nContent-Type: text/plain\r\n\r\nBefore.\r\n--" + boundary
        + b"\r\nContent-Transfer-Encoding: " + encoding + b"\r\nContent-Disposition: attachment; filename=a.bin\r\n\r\n"
        + encoded + b"\r\n--" + boundary + b"\r\nContent-Type: text/plain\r\n\r\nAfter.\r\n--" + boundary + b"--\r\n"
    )  # fmt: skip


def in_base64(data):
    return base64.encodebytes(data).replace(b"\n", b"\r\n").rstrip()


def in_quoted(data):
    return quopri.encodestring(data).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n").rstrip()


def in_uuencode(data, name=b"a.bin"):
    import binascii

    lines = [binascii.b2a_uu(data[at : at + 45]).rstrip(b"\n") for at in range(0, len(data), 45)]
    return b"begin 644 " + name + b"\r\n" + b"\r\n".join(lines) + b"\r\n`\r\nend"


def dotted(text):
    """As SMTP and POP3 send a mail, with its end."""
    text = text if text.endswith(b"\r\n") else text + b"\r\n"
    stuffed = text.replace(b"\r\n.", b"\r\n..")
    return (b"." if stuffed.startswith(b".") else b"") + stuffed + b".\r\n"


def undotted(stream):
    """The mail in it, and what follows."""
    text, _, rest = (b"\r\n" + stream).partition(b"\r\n.\r\n")
    return text.replace(b"\r\n.", b"\r\n")[2:] + b"\r\n", rest


def files_of(text):
    """Names and contents of a mail's attachments, as a mail program sees them."""
    message = email.message_from_bytes(text, policy=email.policy.default)
    assert not message.defects
    return {
        part.get_filename(): part.get_payload(decode=True) for part in message.walk() if part.get_filename()
    }
