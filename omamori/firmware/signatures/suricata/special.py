"""Options of an old or special form, said in terms of buffers and contents; and `requires`, which says who may load a rule."""

import re
from collections.abc import Callable, Mapping

from omamori.firmware.engine.ips.asn1 import Asn1
from omamori.firmware.engine.ips.bounce import FtpBounce
from omamori.firmware.engine.ips.datasets import InDataset
from omamori.firmware.engine.ips.rule import Content, NumberIs
from omamori.firmware.signatures.suricata.draft import Draft
from omamori.firmware.signatures.suricata.errors import RuleSyntaxError, Unsupported
from omamori.firmware.signatures.suricata.lexer import Option
from omamori.firmware.signatures.suricata.values import (
    comparison,
    integer,
    names,
    pattern_bytes,
    quoted,
    refuse_value,
    required,
)

ANSWERS_AS = (7, 0, 17)
"""The Suricata version that is imitated."""
_TEXTS = {
    "tls.subject": "tls.cert_subject",
    "tls.issuerdn": "tls.cert_issuer",
    "filename": "file.name",
    "ssh.softwareversion": "ssh.software",
}
_VERSION = re.compile(r"version\s*(>=|>|<=|<)\s*(\d+(?:\.\d+){0,2})\s*\Z")
_ASN1 = {
    "oversize_length": True,
    "absolute_offset": True,
    "relative_offset": True,
    "bitstring_overflow": False,
    "double_overflow": False,
}
"""Words of `asn1`, and whether a number follows."""
_DATASET_WORDS = frozenset(("type", "load", "memcap", "hashsize"))
_PROTOCOLS = {"1": b"1", "2": b"2.0", "2_compat": b"1.99"}


def text(draft: Draft, option: Option) -> None:
    """The option's text is somewhere in its buffer; without one, it is the buffer's old name."""
    if option.value is None:
        draft.enter(_TEXTS[option.name])
        return
    wanted, negated = quoted(option)
    nocase = option.name == "ssh.softwareversion"
    draft.add(Content(pattern_bytes(wanted, option), nocase=nocase, negated=negated), _TEXTS[option.name])


def file_extension(draft: Draft, option: Option) -> None:
    wanted, negated = quoted(option)
    pattern = b"." + pattern_bytes(wanted, option).lower()
    draft.add(Content(pattern, nocase=True, negated=negated, endswith=True), "file.name")


def ssh_protocol(draft: Draft, option: Option) -> None:
    value = quoted(option, optional=True)[0]
    exact = _PROTOCOLS.get(value, value.encode("latin-1"))
    draft.add(Content(exact, startswith=True, endswith=True), "ssh.proto")


def buffer_number(draft: Draft, option: Option) -> None:
    draft.add(NumberIs(comparison(option)), option.name)


def dataset(draft: Draft, option: Option) -> None:
    """`isset,name,type md5,load file`: lists are looked up, never learned."""
    operation, *words = names(option)
    keyed = dict(_keyword(word) for word in words[1:])
    if operation not in ("isset", "isnotset"):
        raise Unsupported(f"dataset {operation[:10]}", "data sets are not learned on a unit", option.column)
    kind = keyed.get("type", "string")
    if kind not in ("string", "md5", "sha256"):
        raise Unsupported(
            f"dataset type {kind[:10]}", f"data sets of type {kind[:10]} are not carried", option.column
        )
    if "state" in keyed or "save" in keyed:
        raise Unsupported("dataset state", "data sets are not learned on a unit", option.column)
    if not words or not words[0]:
        raise RuleSyntaxError("dataset needs a name", option.value_column)
    if unknown := keyed.keys() - _DATASET_WORDS:
        raise RuleSyntaxError(f"dataset: not a word of it: {min(unknown)[:20]!r}", option.value_column)
    if draft.active is None:
        raise RuleSyntaxError("dataset needs a buffer before it", option.column)
    draft.add(InDataset(words[0], kind, keyed.get("load", ""), operation == "isnotset"))


def _keyword(word: str) -> tuple[str, str]:
    key, _, value = word.partition(" ")
    return key, value.strip()


def asn1(draft: Draft, option: Option) -> None:
    """`oversize_length 2048,bitstring_overflow,double_overflow,relative_offset 27`; commas or spaces between."""
    words = required(option).replace(",", " ").split()
    asked: dict[str, int | bool] = {}
    while words:
        word = words.pop(0)
        if word not in _ASN1:
            raise RuleSyntaxError(f"asn1: not a word of it: {word[:20]!r}", option.value_column)
        asked[word] = integer(words.pop(0) if words else "", option) if _ASN1[word] else True
    if not asked.keys() & {"oversize_length", "bitstring_overflow", "double_overflow"}:
        raise RuleSyntaxError("asn1 asks for nothing", option.value_column)
    relative = "relative_offset" in asked
    draft.add(
        Asn1(
            bool(asked.get("bitstring_overflow")),
            bool(asked.get("double_overflow")),
            asked.get("oversize_length"),
            asked.get("relative_offset" if relative else "absolute_offset", 0),
            relative,
        )
    )


def ftpbounce(draft: Draft, option: Option) -> None:
    refuse_value(option)
    draft.checks.append(FtpBounce())


def requires(_draft: Draft, option: Option) -> None:
    """A rule that asks for more than there is is left out, as in Suricata, with what it asks for."""
    for each in names(option):
        word, _, rest = each.partition(" ")
        if word == "version":
            if not any(_is_met(alternative, option) for alternative in each.split("|")):
                raise Unsupported("requires", f"requires {each}", option.value_column)
        elif word == "feature":
            raise Unsupported("requires", f"requires the feature {rest.strip()[:40]}", option.value_column)
        elif word != "keyword":
            raise RuleSyntaxError(f"requires: not a word of it: {word[:20]!r}", option.value_column)


def _is_met(alternative: str, option: Option) -> bool:
    words = alternative.strip()
    found = _VERSION.match(words if words.startswith("version") else f"version {words}")
    if not found:
        raise RuleSyntaxError(f"requires: not a version: {words[:40]!r}", option.value_column)
    parts = [int(part) for part in found[2].split(".")]
    asked = tuple([*parts, 0, 0][:3])
    match found[1]:
        case ">=":
            return asked <= ANSWERS_AS
        case ">":
            return asked < ANSWERS_AS
        case "<=":
            return asked >= ANSWERS_AS
        case _:
            return asked > ANSWERS_AS


def prefilter(_draft: Draft, option: Option) -> None:
    """A hint for another matcher."""
    refuse_value(option)


def store(_draft: Draft, option: Option) -> None:
    """`tls.store`: certificates are not kept; what matches is the same."""
    if option.value:
        required(option)


HANDLERS: Mapping[str, Callable[[Draft, Option], None]] = {
    **dict.fromkeys(_TEXTS, text),
    "fileext": file_extension,
    "ssh.protoversion": ssh_protocol,
    **dict.fromkeys(("dns.opcode", "dns.rcode", "dns.rrtype"), buffer_number),
    "requires": requires,
    "dataset": dataset,
    "asn1": asn1,
    "ftpbounce": ftpbounce,
    "prefilter": prefilter,
    **dict.fromkeys(("tls.store", "tls_store"), store),
}
