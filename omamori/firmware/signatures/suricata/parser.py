"""One rule: header and options, each given to its handler."""

from collections.abc import Callable

from omamori.firmware.engine.ips.rule import Rule
from omamori.firmware.signatures.suricata import conditions, contents, notes, special
from omamori.firmware.signatures.suricata.buffers import BUFFERS, MODIFIERS, STICKY_ALIASES
from omamori.firmware.signatures.suricata.draft import Draft
from omamori.firmware.signatures.suricata.errors import RuleError, RuleSyntaxError, Unsupported
from omamori.firmware.signatures.suricata.header import parse_header
from omamori.firmware.signatures.suricata.lexer import MAX_RULE, Option, header_words, options
from omamori.firmware.signatures.suricata.unsupported import REASONS
from omamori.firmware.signatures.suricata.values import refuse_value

MAX_OPTIONS = 500
_HANDLERS: dict[str, Callable[[Draft, Option], None]] = {
    **contents.HANDLERS,
    **conditions.HANDLERS,
    **notes.HANDLERS,
    **special.HANDLERS,
}


def parse_rule(text: str) -> Rule:
    """One rule; `text` has one character for each byte of the file (Latin-1). Raises RuleError."""
    if len(text) > MAX_RULE:
        raise RuleSyntaxError(f"a rule of {len(text)} characters (at most {MAX_RULE})")
    words, start = header_words(text)
    draft = Draft(parse_header(words))
    for count, option in enumerate(options(text, start)):
        if count >= MAX_OPTIONS:
            raise RuleSyntaxError(f"over {MAX_OPTIONS} options", option.column)
        _apply(draft, option)
    return draft.finish(notes.PRIORITIES)


def _apply(draft: Draft, option: Option) -> None:
    try:
        if handler := _HANDLERS.get(option.name):
            handler(draft, option)
        else:
            _buffer(draft, option)
    except RuleError as error:
        if error.column == 1:
            error.column = option.column
        raise


def _buffer(draft: Draft, option: Option) -> None:
    name = STICKY_ALIASES.get(option.name, option.name)
    if option.name in MODIFIERS:
        refuse_value(option)
        draft.move(option, MODIFIERS[option.name])
    elif name in BUFFERS:
        refuse_value(option)
        draft.enter(name)
    elif name == "pkt_data":
        draft.leave()
    elif option.name in REASONS:
        raise Unsupported(option.name, REASONS[option.name], option.column)
    else:
        raise RuleSyntaxError(f"no such option: {option.name[:60]!r}", option.column)
