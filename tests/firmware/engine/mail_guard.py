"""What looks into mails in these tests: a unit with signatures for files, or for mails as a whole."""

import random

from omamori.firmware.engine.antivirus import Antivirus, Body, literal
from omamori.firmware.engine.engine import Engine
from omamori.firmware.engine.malware.kinds import Kind
from omamori.firmware.engine.settings import Settings
from omamori.firmware.engine.signatures import Signatures
from omamori.protocol.vocabulary import Guard
from tests.firmware.engine.conversation import Unit
from tests.firmware.engine.mails import MARK, in_base64, in_quoted, in_uuencode

ANTIVIRUS = Antivirus([literal("av:mark", "Test.Mark", MARK)])
CODINGS = {"base64": in_base64, "quoted-printable": in_quoted, "x-uuencode": in_uuencode}
PADDING_LONG = random.Random(1).randbytes(9000)


def unit(antivirus=ANTIVIRUS, **fields):
    return Unit(Engine(Signatures(antivirus=antivirus), Settings(**fields)))


def found(guard):
    return [each for each in guard.engine.take_detections() if each.guard is Guard.AV]


FOR_MAILS = Antivirus(
    [
        literal("av:mark", "Test.Mark", MARK),
        literal("av:subject", "Test.Subject", b"Subject: Verify now"),
        Body(literal("av:phish", "Test.Phish", b"\r\n.verify your account"), kind=Kind.MAIL),
    ]
)
LETTER = b"From: a@example.com\r\nSubject: Verify now\r\nTo: b@example.com\r\n\r\nPlease\r\n.verify your account\r\n"
