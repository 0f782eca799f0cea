"""Malware in mails and over FTP: overwritten so that the mail is delivered whole, decodes, and holds no malware any more."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.engine.antivirus import Antivirus, literal
from omamori.protocol.vocabulary import Action, Severity
from tests.firmware.engine.conversation import PC, SITE, Tcp, received
from tests.firmware.engine.mail_guard import CODINGS, FOR_MAILS, LETTER, PADDING_LONG, found, unit
from tests.firmware.engine.mails import (
    MARK,
    by_hand,
    dotted,
    files_of,
    in_base64,
    in_uuencode,
    infected,
    mail,
    undotted,
)


class Smtp:
    """A client and its server through a unit; `commands` collects what the server got between the mails."""

    def __init__(self, size=1460, *, inbound=False, **fields):
        self.guard, self.size = unit(**fields), size
        self.talk = Tcp(SITE, PC, server_port=25) if inbound else Tcp(server_port=25)
        self.guard.feed(self.talk.handshake())
        self.server(b"220 mx.example ESMTP ready\r\n")
        self.client(b"EHLO pc.example\r\n")
        self.server(b"250-mx.example\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 STARTTLS\r\n")

    def client(self, data):
        return received(self.guard.feed(self.talk.say(data, to_server=True, size=self.size)))

    def server(self, data):
        return received(self.guard.feed(self.talk.say(data, to_server=False, size=self.size)))

    def data(self, text):
        """What the server stores of a mail sent by DATA."""
        self.client(b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n")
        self.server(b"250 ok\r\n250 ok\r\n354 go ahead\r\n")
        sent = dotted(text)
        got = self.client(sent)
        assert len(got) == len(sent)
        stored, rest = undotted(got)
        assert rest == b""
        self.server(b"250 queued\r\n")
        return stored

    def chunks(self, text, size):
        sent = b""
        for at in range(0, len(text), size):
            part = text[at : at + size]
            last = b" LAST" if at + size >= len(text) else b""
            sent += b"BDAT %d%s\r\n" % (len(part), last) + part
        got = self.client(sent)
        assert len(got) == len(sent)
        stored, at = b"", 0
        while at < len(got):
            end = got.index(b"\r\n", at) + 2
            count = int(got[at:end].split()[1])
            stored, at = stored + got[end : end + count], end + count
        return stored


@pytest.mark.parametrize("size", [37, 512, 1460, 60_000])
def test_a_clean_mail_arrives_as_it_was(size):
    text = mail(("a.bin", bytes(5000), "base64"), ("b.bin", b"plain\n" * 40, "quoted-printable"))
    talk = Smtp(size)
    assert talk.data(text) == text
    assert found(talk.guard) == []


@pytest.mark.parametrize("size", [50, 512, 1460, 60_000])
@pytest.mark.parametrize("coding", ["base64", "quoted-printable"])
def test_an_infected_attachment_is_overwritten_and_the_rest_of_the_mail_is_as_sent(coding, size):
    clean = bytes(range(256)) * 4
    text = mail(("one.bin", clean, coding), ("bad.exe", infected(), coding), ("two.bin", clean, coding))
    talk = Smtp(size)
    stored = talk.data(text)
    before, after = files_of(text), files_of(stored)
    assert after["one.bin"] == before["one.bin"]
    assert after["two.bin"] == before["two.bin"]
    assert MARK not in after["bad.exe"]
    assert len(after["bad.exe"]) == len(before["bad.exe"])
    (detection,) = found(talk.guard)
    assert detection.action is Action.NEUTRALISED
    assert detection.severity is Severity.THREE
    assert detection.source.address == PC


def test_a_mail_that_comes_to_a_server_inside_is_no_important_matter():
    talk = Smtp(inbound=True)
    stored = talk.data(mail(("bad.exe", infected(), "base64")))
    assert MARK not in files_of(stored)["bad.exe"]
    (detection,) = found(talk.guard)
    assert (detection.action, detection.severity) == (Action.NEUTRALISED, Severity.ONE)
    assert (detection.source.address, detection.destination.address) == (SITE, PC)


@pytest.mark.parametrize("coding", list(CODINGS))
def test_every_encoding_is_looked_into(coding):
    talk = Smtp()
    text = by_hand(CODINGS[coding](infected()), coding.encode())
    stored = talk.data(text)
    assert len(found(talk.guard)) == 1
    assert stored.count(b"\r\n") == text.count(b"\r\n")
    assert stored.endswith(b"After.\r\n--=-xyz--\r\n")


def test_a_uuencoded_file_in_an_old_style_letter_keeps_its_lines():
    text = b"From: a@example.com\r\n\r\nSee the file.\r\n\r\n" + in_uuencode(infected()) + b"\r\n\r\nBye.\r\n"
    talk = Smtp(200)
    stored = talk.data(text)
    assert len(found(talk.guard)) == 1
    assert stored.endswith(b"\r\nend\r\n\r\nBye.\r\n")
    assert [line[:1] for line in stored.splitlines()] == [line[:1] for line in text.splitlines()]


def test_a_mail_in_a_mail_in_nested_multiparts_is_looked_into():
    inner = mail(("bad.exe", infected(), "base64"))
    for depth in range(6):
        boundary = b"b%d" % depth
        inner = (
            b"Content-Type: multipart/mixed; boundary=" + boundary + b"\r\n\r\n--" + boundary
            + b"\r\nContent-Type: message/rfc822\r\n\r\n" + inner + b"\r\n--" + boundary + b"--\r\n"
        )  # fmt: skip
    talk = Smtp()
    assert MARK not in files_of(talk.data(inner))["bad.exe"]
    assert len(found(talk.guard)) == 1


def test_malware_in_a_letters_own_text_is_replaced_by_spaces_and_dots_stay():
    text = b"Subject: x\r\n\r\n" + MARK + b"\r\n.second\r\n..\r\nthird\r\n"
    talk = Smtp()
    stored = talk.data(text)
    assert stored.startswith(b"Subject: x\r\n\r\n" + b" " * len(MARK) + b"\r\n ")
    assert len(stored.splitlines()) == len(text.splitlines())
    assert not stored.removeprefix(b"Subject: x").strip()


@pytest.mark.parametrize("size", [512, 60_000])
def test_an_attachment_behind_a_long_head_is_looked_into(size):
    receivers = b"Cc: " + b",\r\n ".join([b"someone-or-other@example.com"] * 5000) + b"\r\n"
    talk = Smtp(size)
    stored = talk.data(receivers + mail(("bad.exe", infected(), "base64")))
    assert MARK not in files_of(stored)["bad.exe"]
    assert [each.signature for each in found(talk.guard)] == ["Test.Mark"]


def test_a_head_that_is_too_long_to_be_read_is_noted():
    talk = Smtp(60_000)
    talk.data(b"Content-Type: text/plain; x=" + b"a" * 100_000 + b"\r\n\r\nX\r\n")
    assert [each.signature for each in found(talk.guard)] == [
        "Could not be scanned: mail with a part whose head is too long"
    ]


@pytest.mark.parametrize("hidden", ["many", "deep"])
def test_what_lies_behind_too_many_parts_is_noted(hidden):
    head = b"Content-Type: multipart/mixed; boundary=%s\r\n\r\n--%s\r\n"
    many = head % (b"b", b"b") + b"\r\n--b\r\n" * 5100
    deep = b"".join(head % (b"b%d" % depth, b"b%d" % depth) for depth in range(30))
    talk = Smtp(60_000)
    text = (many if hidden == "many" else deep) + b"\r\nX\r\n"
    assert talk.data(text) == text
    assert [each.signature for each in found(talk.guard)] == [
        "Could not be scanned: mail with too many parts"
    ]


def test_bdat_chunks_and_pipelined_commands():
    text = mail(("bad.exe", infected(), "base64"))
    for size in (100, 5000, 100_000):
        talk = Smtp()
        assert MARK not in files_of(talk.chunks(text, size))["bad.exe"]
        assert talk.data(mail()) == mail()
        assert len(found(talk.guard)) == 1


def test_two_mails_on_one_connection_are_told_apart():
    talk = Smtp()
    assert MARK not in files_of(talk.data(mail(("bad.exe", infected(), "base64"))))["bad.exe"]
    clean = mail(("fine.bin", bytes(3000), "base64"))
    assert talk.data(clean) == clean
    talk.data(mail(("again.exe", infected(), "base64")))
    assert len(found(talk.guard)) == 2


def no_mail_any_more(guard, talk):
    """What follows is another protocol's: TLS records, here with what would be malware in a mail."""
    for to_server in (True, False):
        record = b"\x17\x03\x03\x00\x40" + MARK.ljust(64)
        assert MARK in received(guard.feed(talk.say(record, to_server=to_server)))
    return found(guard) == []


def test_a_refused_data_command_is_no_mail():
    talk = Smtp()
    talk.client(b"DATA\r\n")
    talk.server(b"503 no sender\r\n")
    talk.client(b"MAIL FROM:<" + MARK + b">\r\n")
    assert found(talk.guard) == []
    assert MARK not in files_of(talk.data(mail(("bad.exe", infected(), "base64"))))["bad.exe"]


def test_after_starttls_the_hello_is_waited_for():
    talk = Smtp()
    talk.client(b"STARTTLS\r\n")
    talk.server(b"220 go ahead\r\n")
    assert talk.guard.last == "Pass"


def test_a_lost_segment_of_an_infected_mail_comes_again_and_is_overwritten_alike():
    text = dotted(mail(("bad.exe", infected(before=PADDING_LONG, after=PADDING_LONG), "base64")))
    talk = Smtp()
    talk.client(b"DATA\r\n")
    talk.server(b"354 go ahead\r\n")
    start = talk.talk.sequences[True]
    packets = talk.talk.say(text, to_server=True)
    first = talk.guard.feed(packets)
    second = talk.guard.feed(packets)
    order = list(packets)
    random.Random(3).shuffle(order)
    third = talk.guard.feed(order)
    assert first == second
    assert received(third, start=start) == received(first, start=start)


@given(
    st.integers(30, 3000), st.sampled_from([0.0, 0.2]), st.integers(0, 50), st.sampled_from(sorted(CODINGS))
)
@settings(max_examples=40)
def test_only_the_infected_file_changes_however_the_mail_travels(size, swaps, seed, coding):
    order = random.Random(seed)
    fine = order.randbytes(1500)
    text = by_hand(CODINGS[coding](infected(order.randbytes(900), order.randbytes(900))), coding.encode())
    text = text.replace(b"Before.", in_base64(fine)).replace(b"After.", in_base64(fine))
    talk = Smtp()
    talk.client(b"DATA\r\n")
    talk.server(b"354 go ahead\r\n")
    start = talk.talk.sequences[True]
    packets = talk.talk.say(dotted(text), to_server=True, size=size)
    shuffled = list(packets)
    for index in range(len(packets) - 1):
        if order.random() < swaps:
            shuffled[index], shuffled[index + 1] = shuffled[index + 1], shuffled[index]
    got = received(talk.guard.feed(shuffled) + talk.guard.feed(packets), start=start)
    assert len(got) == len(dotted(text))
    begin, end = dotted(text).index(b"a.bin\r\n\r\n"), dotted(text).rindex(b"\r\n--=-xyz\r\n")
    assert got[:begin] == dotted(text)[:begin]
    assert got[end:] == dotted(text)[end:]
    assert len(found(talk.guard)) == 1
    if not swaps:
        assert not _has_mark(undotted(got)[0])


def _has_mark(text):
    return MARK in b"".join(content or b"" for content in files_of(text).values())


NEXT = b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n"


@pytest.mark.parametrize("end", [b"\n.\n", b"\n.\r\n", b"\r\n.\n"])
@pytest.mark.parametrize("how", ["waits", "commands at once", "all at once"])
def test_a_mail_behind_one_that_ended_with_bare_line_feeds_is_looked_into(end, how):
    talk, bad = Smtp(), dotted(mail(("bad.exe", infected(), "base64")))
    talk.client(NEXT)
    talk.server(b"250 ok\r\n250 ok\r\n354 go ahead\r\n")
    first = b"Subject: x\n\nHello" + end
    parts = {
        "waits": [first, NEXT, bad],
        "commands at once": [first + NEXT, bad],
        "all at once": [first + NEXT + bad],
    }
    replies = [b"250 queued\r\n", b"250 ok\r\n250 ok\r\n354 go ahead\r\n", b"250 queued\r\n"]
    for number, part in enumerate(parts[how], 1):
        talk.client(part)
        if number == len(parts[how]):
            talk.server(b"".join(replies))
        elif number < len(parts[how]) - 1 or how == "waits":
            talk.server(replies.pop(0))
        else:
            talk.server(replies.pop(0) + replies.pop(0))
    late = how == "all at once"
    wanted = Action.LOGGED if late else Action.NEUTRALISED
    assert [(each.signature, each.action) for each in found(talk.guard)] == [("Test.Mark", wanted)]
    assert talk.data(mail()) == mail()


@pytest.mark.parametrize("size", [1, 2, 700])
def test_a_dot_between_bare_line_feeds_ends_no_mail_for_a_server_that_does_not_say_so(size):
    text = by_hand(in_base64(infected()), b"base64").replace(b"Not read.", b"a\n.\nQUIT\r\nb\n.\r\nc")
    talk = Smtp(size)
    talk.client(b"DATA\r\n")
    talk.server(b"354 go ahead\r\n")
    sent = text + b".\r\n"
    assert len(talk.client(sent)) == len(sent)
    talk.server(b"250 queued\r\n")
    assert [(each.signature, each.action) for each in found(talk.guard)] == [
        ("Test.Mark", Action.NEUTRALISED)
    ]
    assert talk.data(mail()) == mail()


# --- mails as a whole


@pytest.mark.parametrize("size", [11, 1460])
def test_signatures_for_mails_are_told_of_the_mail_as_it_travels_and_change_nothing(size):
    talk = Smtp(size, antivirus=FOR_MAILS)
    for _ in range(2):
        assert talk.data(LETTER) == LETTER
        told = {(each.signature, each.action) for each in found(talk.guard)}
        assert told == {("Test.Phish", Action.LOGGED), ("Test.Subject", Action.LOGGED)}
    assert talk.data(mail(("fine.bin", bytes(3000), "base64"))).endswith(b"--\r\n")
    assert found(talk.guard) == []


def test_what_is_overwritten_in_a_file_of_a_mail_is_told_once():
    talk = Smtp(antivirus=FOR_MAILS)
    talk.data(mail(("bad.exe", infected(), "base64"), text=f"Hello {MARK.decode()}\n"))
    assert [(each.signature, each.action, each.detail[-8:]) for each in found(talk.guard)] == [
        ("Test.Mark", Action.NEUTRALISED, "mple.com"),
        ("Test.Mark", Action.NEUTRALISED, "bad.exe)"),
    ]


def test_mails_are_scanned_as_a_whole_only_where_signatures_are_meant_for_them():
    talk = Smtp(antivirus=Antivirus([literal("av:subject", "Test.Subject", b"Subject: Verify now")]))
    assert talk.data(LETTER) == LETTER
    assert found(talk.guard) == []
