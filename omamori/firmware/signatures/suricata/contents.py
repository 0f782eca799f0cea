"""Options that look at bytes: content and its modifiers, pcre, byte_*, isdataat, sizes, base64, transforms."""

import re
from collections.abc import Callable, Mapping

from omamori.firmware.engine.ips import pcre2
from omamori.firmware.engine.ips.rule import (
    Base64Decode,
    BufferSize,
    ByteExtract,
    ByteJump,
    ByteMath,
    Bytes,
    ByteTest,
    Content,
    DataAt,
    Number,
    Regex,
)
from omamori.firmware.signatures.suricata.buffers import PCRE_BUFFERS, TRANSFORMS
from omamori.firmware.signatures.suricata.draft import DECODED, Draft
from omamori.firmware.signatures.suricata.errors import RuleSyntaxError, Unsupported
from omamori.firmware.signatures.suricata.lexer import Option
from omamori.firmware.signatures.suricata.values import (
    comparison,
    integer,
    names,
    number,
    pattern_bytes,
    quoted,
    refuse_value,
    required,
)

_PCRE = re.compile(r"/(.*)(?<!(?<!\\)\\)/([A-Za-z]*)\s*(?:,\s*(.*))?\Z", re.DOTALL)
_PCRE_PLAIN = re.compile(r"/(.*)/([A-Za-z]*)\s*(?:,\s*(.*))?\Z", re.DOTALL)
_BASES = {"dec": 10, "hex": 16, "oct": 8}
_TEST = re.compile(r"(!?)\s*(<=|>=|<|>|=|&|\^)?\Z")


def content(draft: Draft, option: Option) -> None:
    text, negated = quoted(option)
    draft.add(Content(pattern_bytes(text, option), negated=negated))


def uricontent(draft: Draft, option: Option) -> None:
    text, negated = quoted(option)
    draft.add(Content(pattern_bytes(text, option), negated=negated), "http.uri")


def nocase(draft: Draft, option: Option) -> None:
    refuse_value(option)
    draft.change(option, nocase=True)


def position(draft: Draft, option: Option) -> None:
    """offset, depth, distance, within."""
    value = number(required(option), option)
    before = draft.content(option)
    if (
        option.name == "depth"
        and isinstance(value, int)
        and value < len(before.pattern)
        and not before.negated
    ):
        raise RuleSyntaxError(f"depth {value} is smaller than its content", option.value_column)
    if option.name in ("offset", "depth") and isinstance(value, int) and value < 0:
        raise RuleSyntaxError(f"{option.name} cannot be negative", option.value_column)
    draft.change(option, **{option.name: value})


def anchored(draft: Draft, option: Option) -> None:
    """startswith, endswith."""
    refuse_value(option)
    draft.change(option, **{option.name: True})


def fast_pattern(draft: Draft, option: Option) -> None:
    before = draft.content(option)
    placed = (before.offset, before.depth, before.distance, before.within) != (None,) * 4
    if before.negated and placed:
        raise RuleSyntaxError("fast_pattern on a negated content with a place", option.column)
    draft.change(option, fast=True)


def no_effect(_draft: Draft, _option: Option) -> None:
    """rawbytes: this engine never alters payload; the rest are notes for other tools."""


def isdataat(draft: Draft, option: Option) -> None:
    count, *words = names(option)
    negated = count.startswith("!")
    unknown = set(words) - {"relative", "rawbytes"}
    if unknown:
        raise RuleSyntaxError(f"isdataat: not a word of it: {min(unknown)!r}", option.value_column)
    draft.add(DataAt(number(count.lstrip("!"), option), "relative" in words, negated))


def bsize(draft: Draft, option: Option) -> None:
    draft.add(BufferSize(comparison(option)))


def urilen(draft: Draft, option: Option) -> None:
    value, *words = names(option)
    draft.add(BufferSize(comparison(option, value)), "http.uri.raw" if "raw" in words else "http.uri")


def pcre(draft: Draft, option: Option) -> None:
    text, negated = quoted(option, optional=True)
    found = _PCRE.match(text) or _PCRE_PLAIN.match(text)
    if not found:
        raise RuleSyntaxError("pcre: not of the form /pattern/flags", option.value_column)
    pattern, letters, captures = found.groups()
    flags, buffer, relative = _pcre_flags(letters, option)
    expression = pattern.encode("latin-1")
    try:
        pcre2.Pattern(expression, flags)
    except pcre2.ExpressionError as error:
        at = option.value_column + (option.value or "").find(pattern) + error.at
        raise RuleSyntaxError(f"pcre: {error}", at) from error
    draft.add(Regex(expression, flags, negated, relative, _captures(captures, option)), buffer)


_VERSIONS = {
    "sslv2": "ssl2",
    "sslv3": "ssl3",
    "tls1.0": "1.0",
    "tls1.1": "1.1",
    "tls1.2": "1.2",
    "tls1.3": "1.3",
}


def tls_version(draft: Draft, option: Option) -> None:
    """`tls.version:1.2` and `ssl_version:tls1.2,tls1.3`: the buffer is one of these texts."""
    if option.name != "ssl_version" and option.value is None:
        draft.enter("tls.version")
        return
    wanted = [part.strip(' "').lower() for part in required(option).split(",")]
    texts = [_VERSIONS.get(part, part) for part in wanted]
    if not all(text in _VERSIONS.values() for text in texts):
        raise RuleSyntaxError(f"{option.name}: no version {wanted[0][:20]!r}", option.value_column)
    if len(texts) == 1:
        draft.add(Content(texts[0].encode(), startswith=True, endswith=True), "tls.version")
    else:
        either = "|".join(re.escape(text) for text in texts)
        draft.add(Regex(rf"\A(?:{either})\Z".encode()), "tls.version")


def tls_fingerprint(draft: Draft, option: Option) -> None:
    """`tls.fingerprint:"sha1 with colons"`: the whole of it."""
    text, negated = quoted(option, optional=True)
    whole = Content(text.strip().lower().encode("latin-1"), negated=negated, startswith=True, endswith=True)
    draft.add(whole, "tls.cert_fingerprint")


_PCRE_FLAGS = {
    "i": pcre2.CASELESS, "m": pcre2.MULTILINE, "s": pcre2.DOTALL, "x": pcre2.EXTENDED, "A": pcre2.ANCHORED,
    "E": pcre2.DOLLAR_ENDONLY, "G": pcre2.UNGREEDY, "O": 0, "B": 0,
}  # fmt: skip
"""`B` (raw bytes) and `O` (no match limit) change nothing here: payload is always raw, and work is always bounded."""


def _pcre_flags(letters: str, option: Option) -> tuple[int, str | None, bool]:
    """(flags, buffer, relative)"""
    flags, buffer = 0, None
    for letter in letters:
        if letter in _PCRE_FLAGS:
            flags |= _PCRE_FLAGS[letter]
        elif letter in PCRE_BUFFERS:
            buffer = PCRE_BUFFERS[letter]
        elif letter != "R":
            raise RuleSyntaxError(f"pcre: no flag {letter!r}", option.value_column)
    return flags, buffer, "R" in letters


def _captures(text: str | None, option: Option) -> tuple[tuple[str, str], ...]:
    if not text:
        return ()
    captures = []
    for part in text.split(","):
        kind, colon, name = part.strip().partition(":")
        if kind not in ("flow", "pkt", "alert") or not colon or not name:
            raise RuleSyntaxError(f"pcre: not a capture: {part.strip()[:40]!r}", option.value_column)
        captures.append((kind, name))
    return tuple(captures)


def _read(words: list[str], option: Option, count: Number, offset: Number) -> tuple[Bytes, list[str]]:
    """The words that all byte options share; the rest is returned."""
    known: dict[str, object] = {"count": count, "offset": offset}
    rest = []
    for word in words:
        if word in ("relative", "little"):
            known[word] = True
        elif word in ("big", "endian big", "string"):
            known["base"] = known.get("base", 10) if word == "string" else known.get("base", 0)
        elif word == "endian little":
            known["little"] = True
        elif word in _BASES:
            known["base"] = _BASES[word]
        elif word.startswith("bitmask"):
            known["bitmask"] = integer(word[7:].strip() or "x", option, low=0)
        elif word == "dce":
            raise Unsupported(f"{option.name} dce", "DCE/RPC is not parsed", option.value_column)
        else:
            rest.append(word)
    read = Bytes(**known)  # type: ignore[arg-type]
    if isinstance(read.count, int) and not 0 <= read.count <= (23 if read.base else 8):
        raise RuleSyntaxError(f"{option.name}: cannot read {read.count} bytes", option.value_column)
    return read, rest


def _no_rest(rest: list[str], option: Option) -> None:
    if rest:
        raise RuleSyntaxError(f"{option.name}: not a word of it: {rest[0][:40]!r}", option.value_column)


def byte_test(draft: Draft, option: Option) -> None:
    words = names(option)
    if len(words) < 4:
        raise RuleSyntaxError("byte_test needs bytes, operator, value and offset", option.value_column)
    count, operator, value, offset, *rest = words
    found = _TEST.match(operator)
    if not found:
        raise RuleSyntaxError(f"byte_test: not an operator: {operator[:10]!r}", option.value_column)
    read, rest = _read(rest, option, number(count, option), number(offset, option))
    _no_rest(rest, option)
    draft.add(ByteTest(read, found[2] or "=", number(value, option), bool(found[1])))


def _keyed(words: list[str], *keys: str) -> tuple[dict[str, str], list[str]]:
    """`multiplier 2` style words by key, and the rest."""
    found, rest = {}, []
    for word in words:
        key, _, value = word.partition(" ")
        if key in keys and value:
            found[key] = value.strip()
        else:
            rest.append(word)
    return found, rest


def byte_jump(draft: Draft, option: Option) -> None:
    words = names(option)
    if len(words) < 2:
        raise RuleSyntaxError("byte_jump needs bytes and offset", option.value_column)
    keyed, rest = _keyed(words[2:], "multiplier", "post_offset")
    read, rest = _read(rest, option, number(words[0], option), number(words[1], option))
    flags = {"align", "from_beginning", "from_end"}
    _no_rest([word for word in rest if word not in flags], option)
    draft.add(
        ByteJump(
            read,
            integer(keyed.get("multiplier", "1"), option, low=1),
            4 if "align" in rest else 0,
            "from_beginning" in rest,
            "from_end" in rest,
            number(keyed.get("post_offset", "0"), option),
        )
    )


def byte_extract(draft: Draft, option: Option) -> None:
    words = names(option)
    if len(words) < 3:
        raise RuleSyntaxError("byte_extract needs bytes, offset and a name", option.value_column)
    keyed, rest = _keyed(words[3:], "multiplier", "align")
    read, rest = _read(rest, option, number(words[0], option), number(words[1], option))
    _no_rest(rest, option)
    multiplier = integer(keyed.get("multiplier", "1"), option, low=1)
    draft.add(
        ByteExtract(read, words[2], multiplier, integer(keyed.get("align", "0"), option, low=0, high=4))
    )


def byte_math(draft: Draft, option: Option) -> None:
    keys = ("bytes", "offset", "oper", "rvalue", "result", "endian", "string", "bitmask")
    keyed, rest = _keyed(names(option), *keys)
    missing = {"bytes", "offset", "oper", "rvalue", "result"} - keyed.keys()
    if missing:
        raise RuleSyntaxError(f"byte_math: {min(missing)} is missing", option.value_column)
    if keyed["oper"] not in ("+", "-", "*", "/", "<<", ">>"):
        raise RuleSyntaxError(f"byte_math: not an operator: {keyed['oper'][:10]!r}", option.value_column)
    for key in ("endian", "string", "bitmask"):
        rest += (
            {"endian": [keyed[key]], "string": [keyed[key]]}.get(key, [f"{key} {keyed[key]}"])
            if key in keyed
            else []
        )
    read, rest = _read(rest, option, number(keyed["bytes"], option), number(keyed["offset"], option))
    _no_rest(rest, option)
    draft.add(ByteMath(read, keyed["oper"], number(keyed["rvalue"], option), keyed["result"]))


def base64_decode(draft: Draft, option: Option) -> None:
    keyed, rest = _keyed(
        [part.strip() for part in (option.value or "").split(",") if part.strip()], "bytes", "offset"
    )
    _no_rest([word for word in rest if word != "relative"], option)
    count = integer(keyed.get("bytes", "0"), option, low=0, high=65535)
    offset = integer(keyed.get("offset", "0"), option, low=0, high=65535)
    draft.add(Base64Decode(count, offset, "relative" in rest))


def base64_data(draft: Draft, option: Option) -> None:
    refuse_value(option)
    draft.enter(DECODED)


def transform(draft: Draft, option: Option) -> None:
    argument = ""
    if option.value:
        argument = quoted(option, optional=True)[0]
    if option.name == "xor":
        try:
            bytes.fromhex(argument)
        except ValueError:
            raise RuleSyntaxError("xor needs a key in hexadecimal", option.value_column) from None
        if not argument:
            raise RuleSyntaxError("xor needs a key", option.column)
    if option.name == "pcrexform":
        argument = _captures_one(argument, option)
    draft.transform(option.name, argument)


def _captures_one(pattern: str, option: Option) -> str:
    """The expression in hexadecimal, so that it can be part of a buffer's key."""
    expression = pattern.encode("latin-1")
    try:
        pcre2.Pattern(expression)
    except pcre2.ExpressionError as error:
        raise RuleSyntaxError(f"pcrexform: {error}", option.value_column) from error
    if b"(" not in expression:
        raise RuleSyntaxError("pcrexform needs a group", option.value_column)
    return expression.hex()


HANDLERS: Mapping[str, Callable[[Draft, Option], None]] = {
    "content": content,
    "uricontent": uricontent,
    "nocase": nocase,
    "offset": position,
    "depth": position,
    "distance": position,
    "within": position,
    "startswith": anchored,
    "endswith": anchored,
    "fast_pattern": fast_pattern,
    "rawbytes": no_effect,
    "isdataat": isdataat,
    "bsize": bsize,
    "urilen": urilen,
    "pcre": pcre,
    "byte_test": byte_test,
    "byte_jump": byte_jump,
    "byte_extract": byte_extract,
    "byte_math": byte_math,
    **dict.fromkeys(("tls.version", "ssl_version"), tls_version),
    **dict.fromkeys(("tls.fingerprint", "tls_fingerprint"), tls_fingerprint),
    "base64_decode": base64_decode,
    "base64_data": base64_data,
    **dict.fromkeys(TRANSFORMS, transform),
}
