"""Mails split into files: the same files as Python's own mail package finds, at the same places, however the stream is cut."""

import email
import email.policy
import itertools
import random
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.engine.applications.dotted import DotEnded
from omamori.firmware.engine.applications.mime import Mime
from omamori.firmware.engine.applications.mime_head import parse_head
from omamori.firmware.engine.applications.transfer import Base64, Quoted
from omamori.firmware.engine.rewriting import Filler, Overwrites
from tests.firmware.engine.mails import by_hand, dotted, in_base64, in_quoted, in_uuencode, undotted

SAMPLE = bytes(range(14, 256)) * 3


def split(text, cuts=(), *, is_dotted=False, media=None, start=0):
    """Files as (name, content, stream offsets that hold it)."""
    mime = Mime(transaction=1, to_server=False, dotted=is_dotted, media=media)
    edges = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    events = []
    for begin, end in itertools.pairwise(edges):
        events += mime.feed(text[begin:end], start + begin)
    events += mime.end()
    files = []
    for event in events:
        if event.first:
            files.append([event.name, b"", []])
        files[-1][1] += event.data
        files[-1][2] += range(event.offset - start, event.offset - start + event.length)
    return files


def parts():
    content = st.one_of(
        st.binary(max_size=300), st.text(alphabet="ab .=-\n\r\t日", max_size=120).map(str.encode)
    )
    coding = st.sampled_from(["base64", "quoted-printable"])
    leaf = st.tuples(st.just("file"), content, coding)
    return st.recursive(
        leaf, lambda inner: st.tuples(st.just("group"), st.lists(inner, min_size=1, max_size=3)), max_leaves=6
    )


def made(part, number):
    message = EmailMessage(policy=email.policy.SMTP)
    if part[0] == "file":
        message.set_content(
            part[1], "application", "octet-stream", cte=part[2], filename=f"file{next(number)}"
        )
    else:
        message.make_mixed()
        for each in part[1]:
            message.attach(made(each, number))
    return message


@given(parts(), st.lists(st.integers(0, 5000), max_size=12), st.booleans())
@settings(max_examples=60)
def test_the_same_files_as_the_mail_package_finds(part, cuts, is_dotted):
    text = made(part, iter(range(100))).as_bytes().removesuffix(b"\r\n") + b"\r\n"
    parsed = email.message_from_bytes(text, policy=email.policy.default)
    wanted = [
        (each.get_filename(), each.get_payload(decode=True)) for each in parsed.walk() if each.get_filename()
    ]
    stream = dotted(text)[:-3] if is_dotted else text
    found = split(stream, cuts, is_dotted=is_dotted)
    assert [(name, content) for name, content, _ in found if content] == [each for each in wanted if each[1]]
    changed = bytearray(stream)
    for _, _, places in found:
        for at in places:
            changed[at] = 0
    lines = [line for line in stream.split(b"\r\n") if line.startswith((b"--==", b"Content-"))]
    assert all(line in bytes(changed) for line in lines), "a head or a boundary belongs to no file"


@pytest.mark.parametrize("cut", [1, 3, 17, 80])
@pytest.mark.parametrize(
    ("encoded", "encoding", "filler"),
    [
        (in_base64(SAMPLE), b"base64", Filler.BASE64),
        (in_quoted(SAMPLE), b"quoted-printable", Filler.QUOTED),
        (in_uuencode(SAMPLE), b"x-uuencode", Filler.UUENCODED),
    ],
)
def test_what_is_overwritten_decodes_to_the_same_length_and_says_nothing(encoded, encoding, filler, cut):
    text = by_hand(encoded, encoding)
    wanted = next(content for _, content, _ in split(text) if len(content) == len(SAMPLE))
    assert wanted == SAMPLE
    mime, ranges = Mime(transaction=1, to_server=False), Overwrites()
    for at in range(0, len(text), cut):
        for event in mime.feed(text[at : at + cut], at):
            if event.filler is filler:
                ranges.add(event.offset, event.offset + event.length, event.filler)
    overwritten = ranges.applied(0, text)
    after = next(content for _, content, _ in split(overwritten) if len(content) == len(SAMPLE))
    assert len(set(after)) <= 6
    assert overwritten.count(b"\r\n") == text.count(b"\r\n")


ODD = {
    "no quotes": b"Content-Type: multipart/mixed; boundary=abc\r\n\r\n--abc\r\n\r\nX\r\n--abc--\r\n",
    "folded": b'Content-Type: multipart/mixed;\r\n\tboundary=\r\n  "abc"\r\n\r\n--abc\r\n\r\nX\r\n--abc--\r\n',
    "no semicolon": b"Content-Type: multipart/mixed boundary=abc\r\n\r\n--abc\r\n\r\nX\r\n--abc--\r\n",
    "in pieces": b"Content-Type: multipart/mixed; boundary*0=a; boundary*1=bc\r\n\r\n--abc\r\n\r\nX\r\n--abc--\r\n",
    "spaces behind": b"Content-Type: multipart/mixed; boundary=abc\r\n\r\n--abc  \t\r\n\r\nX\r\n--abc-- \r\n",
    "none at all": b"Content-Type: multipart/mixed\r\n\r\n--abc\r\n\r\nX\r\n--abc--\r\n",
    "bare line ends": b"Content-Type: multipart/mixed; boundary=abc\n\n--abc\n\nX\n--abc--\n",
    "no end": b"Content-Type: multipart/mixed; boundary=abc\r\n\r\n--abc\r\n\r\nX",
    "comment": b"Content-Type: (c) multipart/mixed (d); boundary=abc\r\n\r\n--abc\r\n\r\nX\r\n--abc--\r\n",
    "upper case": b"CONTENT-TYPE: MULTIPART/MIXED; BOUNDARY=abc\r\n\r\n--abc\r\n\r\nX\r\n--abc--\r\n",
    "regular expression": b'Content-Type: multipart/mixed; boundary="a.*c"\r\n\r\n--a.*c\r\n\r\nX\r\n--a.*c--\r\n',
}  # fmt: skip


@pytest.mark.parametrize("what", list(ODD))
def test_odd_boundaries(what):
    for cut in range(1, 60, 7):
        files = split(ODD[what], range(0, len(ODD[what]), cut))
        assert [content for _, content, _ in files if content] == [b"X"], cut


def test_a_boundary_that_begins_like_another():
    text = (
        b"Content-Type: multipart/mixed; boundary=ab\r\n\r\n--ab\r\nContent-Type: multipart/mixed; boundary=abc\r\n\r\n"
        b"--abc\r\n\r\none\r\n--abcd\r\n--abc--\r\n--ab\r\n\r\ntwo\r\n--ab--\r\n"
    )
    assert [content for _, content, _ in split(text, range(0, 200, 3)) if content] == [
        b"one\r\n--abcd",
        b"two",
    ]


LONG_HEADS = {
    "many lines of one field": b"X-A: " + b"\r\n ".join([b"a" * 70] * 1500) + b"\r\n",
    "many fields": b"X-A: a\r\n" * 20_000,
    "many receivers": b"To: " + b",\r\n\t".join([b"someone-or-other@example.com"] * 4000) + b"\r\n",
    "one long line": b"X-A: " + b"a" * 200_000 + b"\r\n",
    "many fields that are read": b"Content-Disposition: x\r\n" * 1000,
    "what looks like a field in another": b"X-A: a\r\n Content-Type: text/plain\r\n" * 3000,
}


@pytest.mark.parametrize("what", list(LONG_HEADS))
@pytest.mark.parametrize("cut", [1460, 100_000])
def test_a_long_head_hides_no_part(what, cut):
    text = b"From: a\r\n" + LONG_HEADS[what] + ODD["comment"]
    mime = Mime(transaction=1, to_server=False)
    events = [event for at in range(0, len(text), cut) for event in mime.feed(text[at : at + cut], at)]
    events += mime.end()
    assert b"".join(event.data for event in events) == b"X"
    assert not mime.beyond


@pytest.mark.parametrize("between", [b"", b"\r\n "])
def test_a_head_too_long_to_be_kept_is_noted_and_what_is_known_of_it_counts(between):
    text = ODD["no quotes"].replace(b"=abc", b"=abc; x=" + between.join([b"a" * 1000] * 100), 1)
    mime = Mime(transaction=1, to_server=False)
    events = [event for at in range(0, len(text), 900) for event in mime.feed(text[at : at + 900], at)]
    assert b"".join(event.data for event in events) == b"X"
    assert mime.beyond == "mail with a part whose head is too long"


def test_parts_without_end_are_bounded():
    text = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 6000
    assert 4990 < len(split(text, range(0, len(text), 1460))) <= 5000


def test_nesting_without_end_is_bounded():
    text = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(500)
    )
    split(text + b"\r\nX", range(0, len(text), 1460))


@pytest.mark.parametrize(
    ("field", "name"),
    [
        (b'filename="invoice.doc"', "invoice.doc"),
        (b"filename=invoice.doc", "invoice.doc"),
        (b'filename="=?utf-8?B?6KuL5rGC5pu4LmRvYw==?="', "請求書.doc"),
        (b'filename="=?utf-8?Q?a=5Fb?= =?utf-8?Q?.doc?="', "a_b.doc"),
        (b"filename*=utf-8''%E8%AB%8B%E6%B1%82.doc", "請求.doc"),
        (b"filename*0*=utf-8''%E8%AB%8B; filename*1=x.doc", "請x.doc"),
        (b'filename="a\\"b.doc"', 'a"b.doc'),
    ],
)
def test_names_of_files(field, name):
    assert parse_head(b"Content-Disposition: attachment; " + field).name == name


@pytest.mark.parametrize("blanks", [b"", b" ", b"\t", b" \t" * 20])
@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_blanks_behind_a_soft_line_break_hide_it_not(blanks, end):
    text = b"one=" + blanks + end + b"two=3D" + blanks + b"=" + blanks + end + b"three"
    for size in (1, 2, 7, 100):
        decoder = Quoted(dotted=False)
        got = b"".join(decoder.feed(text[at : at + size]) for at in range(0, len(text), size)) + decoder.end()
        assert got == b"onetwo=" + blanks + b"three"


@given(
    st.binary(max_size=400),
    st.lists(st.integers(0, 400), max_size=8),
    st.sampled_from([Base64, lambda: Quoted(dotted=False)]),
)
@settings(max_examples=150)
def test_any_bytes_decode_alike_however_they_are_cut(data, cuts, make):
    whole, parted = make(), make()
    wanted = whole.feed(data) + whole.end()
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    got = b"".join(parted.feed(data[a:b]) for a, b in itertools.pairwise(edges)) + parted.end()
    assert got == wanted


@given(
    st.lists(st.sampled_from([b"\r\n", b".", b"a", b"\n", b"\r", b"..", b"\r\n.\r"]), max_size=30),
    st.integers(1, 9),
)
@settings(max_examples=200)
def test_the_end_of_a_dotted_mail(pieces, cut):
    mail = b"".join(pieces).replace(b"\r\n.", b"\r\n,") + b"\r\n"
    mail = b"," + mail[1:] if mail.startswith(b".") else mail
    stream, taken, end, at = mail + b".\r\nQUIT\r\n", b"", DotEnded(), 0
    while at < len(stream):
        data = stream[at : at + cut]
        parts, used, ended = end.take(data, 0, at)
        for part, offset in parts:
            assert stream[offset : offset + len(part)] == part
            taken += part
        at += used
        if ended:
            break
    assert taken == mail
    assert stream[at:] == b"QUIT\r\n"
    assert undotted(dotted(mail)) == (mail, b"")


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=60),
            st.sampled_from(
                [
                    line + end
                    for text in ODD.values()
                    for line in text.split(b"\r\n")
                    for end in (b"\r\n", b"")
                ]
            ),
            st.sampled_from(
                [
                    b"begin 644 x\r\n",
                    b"M" + b"A" * 60 + b"\r\n",
                    b"end\r\n",
                    b"Content-Type: message/rfc822\r\n\r\n",
                ]
            ),
        ),
        max_size=25,
    ),
    st.lists(st.integers(0, 1500), max_size=10),
)
@settings(max_examples=200)
def test_any_mail_is_split_within_itself(lines, cuts):
    text = b"".join(lines)
    for _, _, places in split(text, cuts, start=7):
        assert all(0 <= at < len(text) for at in places)


def test_lost_bytes_end_nothing():
    text = by_hand(in_base64(random.Random(2).randbytes(3000)), b"base64")
    mime = Mime(transaction=1, to_server=False)
    events = mime.feed(text[:900], 0)
    events += mime.skip(500)
    events += mime.feed(text[1400:], 1400) + mime.end()
    assert [event.name for event in events if event.first] == ["", "a.bin", ""]
