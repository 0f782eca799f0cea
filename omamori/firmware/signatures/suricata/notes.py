"""Options that name, class and explain a rule."""

import re
from collections.abc import Callable, Mapping

from omamori.firmware.signatures.suricata.draft import Draft
from omamori.firmware.signatures.suricata.errors import RuleSyntaxError
from omamori.firmware.signatures.suricata.lexer import Option
from omamori.firmware.signatures.suricata.values import integer, quoted, refuse_value, required

PRIORITIES: dict[str, int] = {
    **dict.fromkeys(
        (
            "attempted-user", "unsuccessful-user", "successful-user", "attempted-admin", "successful-admin", "shellcode-detect",
            "trojan-activity", "web-application-attack", "inappropriate-content", "policy-violation", "targeted-activity",
            "exploit-kit", "domain-c2", "command-and-control", "credential-theft",
        ),
        1,
    ),
    **dict.fromkeys(
        (
            "bad-unknown", "attempted-recon", "successful-recon-limited", "successful-recon-largescale", "attempted-dos",
            "successful-dos", "rpc-portmap-decode", "suspicious-filename-detect", "suspicious-login", "system-call-detect",
            "unusual-client-port-connection", "denial-of-service", "non-standard-protocol", "web-application-activity",
            "misc-attack", "default-login-attempt", "external-ip-check", "pup-activity", "social-engineering", "coin-mining",
        ),
        2,
    ),
}  # fmt: skip
"""Priorities of Suricata's classification.config; a class that is not here has 3."""
_UNESCAPE = re.compile(r"\\(.)")


def _text(text: str) -> str:
    """Rule files are read as Latin-1, byte by byte; what people read is UTF-8."""
    return _UNESCAPE.sub(r"\1", text).encode("latin-1").decode("utf-8", "replace")


def msg(draft: Draft, option: Option) -> None:
    draft.message = _text(quoted(option)[0])


def sid(draft: Draft, option: Option) -> None:
    draft.sid = integer(_bare(option), option, low=1, high=(1 << 32) - 1)


def rev(draft: Draft, option: Option) -> None:
    draft.revision = integer(_bare(option), option, low=0, high=(1 << 32) - 1)


def gid(draft: Draft, option: Option) -> None:
    draft.gid = integer(_bare(option), option, low=0, high=(1 << 32) - 1)


def _bare(option: Option) -> str:
    return required(option).strip('"')


def classtype(draft: Draft, option: Option) -> None:
    draft.classtype = required(option)


def priority(draft: Draft, option: Option) -> None:
    draft.priority = integer(required(option), option, low=1, high=255)


def reference(draft: Draft, option: Option) -> None:
    draft.references.append(_text(required(option)))


def metadata(draft: Draft, option: Option) -> None:
    for part in (option.value or "").split(","):
        key, _, value = part.strip().partition(" ")
        if key:
            draft.metadata.append((_text(key), _text(value.strip())))


def target(draft: Draft, option: Option) -> None:
    value = required(option)
    if value not in ("src_ip", "dest_ip"):
        raise RuleSyntaxError(f"target: src_ip or dest_ip, not {value[:20]!r}", option.value_column)
    draft.target = value


def noalert(draft: Draft, option: Option) -> None:
    refuse_value(option)
    draft.silent = True


def unacted(_draft: Draft, _option: Option) -> None:
    """`tag` asks for more logging, `requires` was read before: neither changes what matches."""


HANDLERS: Mapping[str, Callable[[Draft, Option], None]] = {
    "msg": msg,
    "sid": sid,
    "rev": rev,
    "gid": gid,
    "classtype": classtype,
    "priority": priority,
    "reference": reference,
    "metadata": metadata,
    "target": target,
    "noalert": noalert,
    "tag": unacted,
}
