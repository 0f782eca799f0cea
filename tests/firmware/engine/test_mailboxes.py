"""Malware in mails that are fetched by POP3 and IMAP."""

import pytest

from omamori.protocol.vocabulary import Action
from tests.firmware.engine.conversation import PC, Tcp, received
from tests.firmware.engine.mail_guard import CODINGS, FOR_MAILS, LETTER, PADDING_LONG, found, unit
from tests.firmware.engine.mails import (
    MARK,
    dotted,
    files_of,
    in_base64,
    infected,
    mail,
    undotted,
)


def conversed(port, greeting, steps, **fields):
    """Each step is (from the client, from the server); the server's bytes as the client gets them."""
    guard, talk = unit(**fields), Tcp(server_port=port)
    guard.feed(talk.handshake())
    guard.feed(talk.say(greeting, to_server=False))
    got = []
    for asked, answered in steps:
        guard.feed(talk.say(asked, to_server=True))
        got.append(received(guard.feed(talk.say(answered, to_server=False))))
    return guard, talk, got


def fetched(port, greeting, steps, **fields):
    """The same without the connection."""
    guard, _, got = conversed(port, greeting, steps, **fields)
    return guard, got


def test_pop3_mails_are_scanned_and_lists_are_not():
    text = mail(("bad.exe", infected(), "base64"))
    clean = mail(("fine.bin", bytes(2000), "base64"))
    guard, got = fetched(
        110,
        b"+OK POP3 ready\r\n",
        [
            (b"CAPA\r\n", b"+OK\r\nSTLS\r\nTOP\r\n.\r\n"),
            (b"USER a\r\nPASS b\r\n", b"+OK\r\n+OK\r\n"),
            (b"LIST\r\n", b"+OK\r\n1 4000\r\n2 300\r\n.\r\n"),
            (b"LIST 1\r\n", b"+OK 1 4000\r\n"),
            (b"RETR 9\r\n", b"-ERR no such\r\n"),
            (b"RETR 2\r\nRETR 1\r\n", b"+OK\r\n" + dotted(clean) + b"+OK\r\n" + dotted(text)),
            (b"TOP 1 9999\r\n", b"+OK\r\n" + dotted(text)),
        ],
    )
    stored, rest = undotted(got[5].removeprefix(b"+OK\r\n"))
    assert stored == clean
    stored, rest = undotted(rest.removeprefix(b"+OK\r\n"))
    assert rest == b""
    assert MARK not in files_of(stored)["bad.exe"]
    stored, _ = undotted(got[6].removeprefix(b"+OK\r\n"))
    assert MARK not in files_of(stored)["bad.exe"]
    assert {each.action for each in found(guard)} == {Action.NEUTRALISED}


def test_pop3_stls():
    guard, _ = fetched(110, b"+OK POP3\r\n", [(b"STLS\r\n", b"+OK begin\r\n")])
    assert guard.last == "Pass"


def fetch_answer(item, data, number=1):
    return (
        b"* %d FETCH (UID 7 %s {%d}\r\n" % (number, item, len(data))
        + data
        + b" FLAGS (\\Seen))\r\na1 OK done\r\n"
    )


@pytest.mark.parametrize("item", [b"BODY[]", b"RFC822"])
def test_an_imap_mail_fetched_whole(item):
    text = mail(("bad.exe", infected(), "base64"))
    guard, (got,) = fetched(
        143, b"* OK IMAP4rev1\r\n", [(b"a1 FETCH 1 " + item + b"\r\n", fetch_answer(item, text))]
    )
    begin = got.index(b"}\r\n") + 3
    assert MARK not in files_of(got[begin : begin + len(text)])["bad.exe"]
    assert got[begin + len(text) :] == b" FLAGS (\\Seen))\r\na1 OK done\r\n"
    assert len(found(guard)) == 1


def test_an_imap_mail_fetched_in_pieces():
    text = mail(("bad.exe", infected(before=PADDING_LONG), "base64"))
    steps = []
    for at in range(0, len(text), 4000):
        part = text[at : at + 4000]
        steps.append((b"a1 UID FETCH 7 BODY[]<%d.4000>\r\n" % at, fetch_answer(b"BODY[]<%d>" % at, part)))
    guard, got = fetched(143, b"* OK IMAP4rev1\r\n", steps)
    parts = [answer[answer.index(b"}\r\n") + 3 :] for answer in got]
    whole = b"".join(part[: part.index(b" FLAGS (")] for part in parts)
    assert len(whole) == len(text)
    assert MARK not in files_of(whole)["bad.exe"]
    assert len(found(guard)) == 1


@pytest.mark.parametrize("coding", ["base64", "quoted-printable"])
def test_one_section_of_an_imap_mail(coding):
    section = CODINGS[coding](infected()) + b"\r\n"
    guard, (got,) = fetched(
        143, b"* OK IMAP4\r\n", [(b"a1 FETCH 3 BODY[2]\r\n", fetch_answer(b"BODY[2]", section, 3))]
    )
    assert len(got) == len(fetch_answer(b"BODY[2]", section, 3))
    assert [each.signature for each in found(guard)] == ["Test.Mark"]


@pytest.mark.parametrize("coding", ["base64", "quoted-printable"])
@pytest.mark.parametrize("cut", [1, 2, 20, 39, 40, 76, 77, 78, 300])
def test_a_section_is_decoded_wherever_its_first_packet_ends(coding, cut):
    section = CODINGS[coding](infected()) + b"\r\n"
    answer = fetch_answer(b"BODY[2]", section)
    cut += answer.index(b"}\r\n") + 3
    steps = [(b"a1 FETCH 1 BODY[2]\r\n", answer[:cut]), (b"", answer[cut:])]
    guard, got = fetched(143, b"* OK IMAP4\r\n", steps)
    assert len(b"".join(got)) == len(answer)
    assert [(each.signature, each.action) for each in found(guard)] == [("Test.Mark", Action.NEUTRALISED)]


@pytest.mark.parametrize("width", [16, 60, 80, 998, 100_000])
def test_a_section_in_base64_may_have_lines_of_any_length(width):
    letters = in_base64(infected()).replace(b"\r\n", b"")
    section = b"\r\n".join(letters[at : at + width] for at in range(0, len(letters), width))
    guard, _ = fetched(
        143, b"* OK IMAP4\r\n", [(b"a1 FETCH 1 BODY[2]\r\n", fetch_answer(b"BODY[2]", section))]
    )
    assert [each.signature for each in found(guard)] == ["Test.Mark"]


@pytest.mark.parametrize("first", [b"A" * 40 + b"\r\n", b"AVeryLongWordOfLetters\r\n", b""])
@pytest.mark.parametrize("size", [10, 200, 2000])
def test_a_section_of_plain_text_is_told_from_an_encoded_one(first, size):
    section = first + b"What follows is text. " + MARK + b" and more of it\r\n" * 40
    answer = fetch_answer(b"BODY[2]", section)
    guard, talk = unit(), Tcp(server_port=143)
    guard.feed(talk.say(b"* OK IMAP4\r\n", to_server=False))
    guard.feed(talk.say(answer[:60], to_server=False) + talk.say(answer[60:], to_server=False, size=size))
    assert [each.signature for each in found(guard)] == ["Test.Mark"]


@pytest.mark.parametrize(("head", "body"), [(b"2.MIME", b"2"), (b"HEADER", b"TEXT"), (b"1.2.mime", b"1.2")])
def test_a_section_is_decoded_as_its_head_says(head, body):
    fields = b"X-A: a\r\nContent-Transfer-Encoding:\r\n base64\r\nContent-Type: text/plain\r\n\r\n"
    section = b"Not coded\r\n" + in_base64(infected()) + b"\r\n"
    first, second = b"BODY[%s] {%d}\r\n" % (head, len(fields)), b" BODY[%s] {%d}\r\n" % (body, len(section))
    answer = b"* 1 FETCH (UID 7 " + first + fields + second + section + b")\r\na1 OK\r\n"
    for cut in (30, 60, 90, 1000):
        steps = [(b"a1 FETCH 1 all\r\n", answer[:cut]), (b"", answer[cut:])]
        guard, got = fetched(143, b"* OK IMAP4\r\n", steps)
        assert len(b"".join(got)) == len(answer)
        assert [each.signature for each in found(guard)] == ["Test.Mark"]


def test_the_head_of_one_message_says_nothing_about_another_nor_of_what_is_binary():
    fields, text = b"Content-Transfer-Encoding: base64\r\n\r\n", b"Plain text. " * 100 + MARK
    head = b"BODY[2.MIME] {%d}\r\n" % len(fields) + fields
    for between, item in ((b")\r\n* 2 FETCH (", b"BODY"), (b" ", b"BINARY")):
        body = b"%s[2] {%d}\r\n" % (item, len(text)) + text
        answer = b"* 1 FETCH (" + head + between + body + b")\r\na1 OK\r\n"
        guard, _ = fetched(143, b"* OK IMAP4\r\n", [(b"a1 FETCH 1:2 all\r\n", answer)])
        assert [each.signature for each in found(guard)] == ["Test.Mark"]


@pytest.mark.parametrize("literal", [b"{%d}", b"{%d+}"])
def test_an_imap_upload(literal):
    text = mail(("bad.exe", infected(), "base64"))
    guard, talk = unit(), Tcp(server_port=143)
    guard.feed(talk.say(b"* OK IMAP4rev1\r\n", to_server=False))
    guard.feed(talk.say(b'a2 APPEND "Sent" (\\Seen) ' + literal % len(text) + b"\r\n", to_server=True))
    guard.feed(talk.say(b"+ go ahead\r\n", to_server=False))
    got = received(guard.feed(talk.say(text + b"\r\na3 LOGOUT\r\n", to_server=True)))
    assert MARK not in files_of(got[: len(text)])["bad.exe"]
    assert got.endswith(b"\r\na3 LOGOUT\r\n")
    assert [each.source.address for each in found(guard)] == [PC]


def test_imap_starttls_and_compression():
    guard, _ = fetched(143, b"* OK IMAP4rev1\r\n", [(b"a STARTTLS\r\n", b"a OK begin\r\n")])
    assert guard.last == "Pass"
    guard, _ = fetched(143, b"* OK IMAP4rev1\r\n", [(b"a COMPRESS DEFLATE\r\n", b"a OK deflate\r\n")])
    assert {each.signature for each in found(guard)} == {"Could not be scanned: compressed IMAP connection"}


def test_signatures_for_mails_hold_in_pop3_and_imap_too():
    for port, greeting, steps in (
        (110, b"+OK POP3\r\n", [(b"RETR 1\r\n", b"+OK\r\n" + dotted(LETTER))]),
        (143, b"* OK IMAP4\r\n", [(b"a1 FETCH 1 BODY[]\r\n", fetch_answer(b"BODY[]", LETTER))]),
    ):
        guard, got = fetched(port, greeting, steps, antivirus=FOR_MAILS)
        assert LETTER.splitlines()[1] in got[0]
        guard.engine.flush(guard.now)
        assert {each.signature for each in found(guard)} == {"Test.Phish", "Test.Subject"}
