"""The wire form: JSON objects, UTF-8, capped in size before they are parsed.

`to_wire`/`from_wire` translate frozen dataclasses by their type hints. Unknown fields are ignored (a newer peer may
send them); a missing field takes its default or is an error; every other mismatch is `Malformed` and names the field.
What was read fits any database: text without NUL and lone surrogates, integers of 64 bits, finite numbers.
Nothing here knows what a message means.
"""

import dataclasses
import json
import math
import re
import types
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from itertools import accumulate
from typing import NewType, TypeVar, Union, get_args, get_origin, get_type_hints

from omamori.protocol.errors import Malformed, ProtocolError, TooLarge, WireError
from omamori.protocol.version import Version

MESSAGE_CAP = 64 * 1024
"""Bytes of one message in either direction."""
DEPTH_CAP = 16
"""Brackets nested deeper than this are no message of ours."""
INTEGERS = range(-(2**63), 2**63)
"""What every database stores."""

T = TypeVar("T")


def load(raw: bytes, *, cap: int = MESSAGE_CAP) -> dict[str, object]:
    """Parse one capped JSON object; NUL and lone surrogates in its text become U+FFFD. Raises TooLarge, Malformed."""
    if len(raw) > cap:
        raise TooLarge(f"{len(raw):,} bytes where at most {cap:,} are allowed")
    if _depth(raw) > DEPTH_CAP:
        raise Malformed(f"nested deeper than {DEPTH_CAP} levels")
    try:
        value = json.loads(raw.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"not JSON: {error}") from error
    if not isinstance(value, dict):
        raise Malformed(f"expected a JSON object, not {type(value).__name__}")
    return _storable(value) if b"\\u" in raw else value


def dump(value: Mapping[str, object], *, cap: int = MESSAGE_CAP) -> bytes:
    """Compact UTF-8 JSON with sorted keys; a lone surrogate becomes `?`. Raises TooLarge."""
    raw = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False)
    encoded = raw.encode("utf-8", "replace")
    if len(encoded) > cap:
        raise TooLarge(f"{len(encoded):,} bytes where at most {cap:,} are allowed")
    return encoded


def to_wire(value: object) -> object:
    """The JSON value of a dataclass, enum, datetime, version, tuple, dict or scalar."""
    if dataclasses.is_dataclass(value) and not isinstance(value, (type, Version)):
        return {f.name: to_wire(getattr(value, f.name)) for f in dataclasses.fields(value)}
    match value:
        case Enum():
            return value.value
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case Version():
            return str(value)
        case tuple() | list():
            return [to_wire(item) for item in value]
        case dict():
            return {str(key): to_wire(item) for key, item in value.items()}
        case _:
            return value


def from_wire(shape: type[T], value: object, *, where: str = "") -> T:
    """A dataclass of type `shape` out of a parsed JSON value. Raises Malformed."""
    if not isinstance(value, dict):
        raise Malformed(f"{where or shape.__name__}: expected an object")
    found = {
        field.name: _read(hint, value[field.name], f"{where}.{field.name}".lstrip("."))
        for field, hint in _fields(shape)  # type: ignore[arg-type] # a class is hashable
        if field.name in value or _required(field, where)
    }
    with _named(where or shape.__name__):
        return shape(**found)


@contextmanager
def _named(where: str) -> Iterator[None]:
    """Turns the vocabulary's own errors into Malformed with the field's name."""
    try:
        yield
    except WireError:
        raise
    except ProtocolError as error:
        raise Malformed(f"{where}: {error}") from error


def _required(field: "dataclasses.Field[object]", where: str) -> bool:
    if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
        raise Malformed(f"{where}.{field.name}: missing".lstrip("."))
    return False


@cache
def _fields(shape: type) -> tuple[tuple["dataclasses.Field[object]", object], ...]:
    hints = get_type_hints(shape)
    return tuple((field, hints[field.name]) for field in dataclasses.fields(shape))


def _read(hint: object, value: object, where: str) -> object:
    if isinstance(hint, NewType):
        parse = _PARSERS.get(hint.__name__)
        text = _read(hint.__supertype__, value, where)
        with _named(where):
            return parse(str(text)) if parse else text
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return None if value is None else _read(_only(hint), value, where)
    if origin is tuple:
        return tuple(
            _read(get_args(hint)[0], item, f"{where}[{i}]") for i, item in enumerate(_a(list, value, where))
        )
    if origin is dict:
        inner = get_args(hint)[1]
        return {key: _read(inner, item, f"{where}.{key}") for key, item in _a(dict, value, where).items()}
    if isinstance(hint, type):
        return _scalar(hint, value, where)
    raise AssertionError(f"no wire form for {hint!r}")


def _scalar(hint: type, value: object, where: str) -> object:
    if hint is object:
        return value
    if issubclass(hint, Enum):
        return _enum(hint, value, where)
    if hint is datetime:
        return _moment(_a(str, value, where), where)
    if hint is Version:
        with _named(where):
            return Version.parse(_a(str, value, where))
    if dataclasses.is_dataclass(hint):
        return from_wire(hint, value, where=where)
    if hint is float:
        return _finite(_a((int, float), value, where), where)
    if hint is int and _a(int, value, where) not in INTEGERS:
        raise Malformed(f"{where}: an integer beyond 64 bits")
    return _a(hint, value, where)


def _finite(number: float, where: str) -> float:
    try:
        if math.isfinite(value := float(number)):
            return value
    except OverflowError:
        pass
    raise Malformed(f"{where}: not a finite number")


def _enum(hint: type[Enum], value: object, where: str) -> Enum:
    _a(int if issubclass(hint, int) else str, value, where)
    try:
        return hint(value)
    except ValueError as error:
        raise Malformed(f"{where}: {str(value)[:40]!r} is none of {[m.value for m in hint]}") from error


def _moment(text: str, where: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise Malformed(f"{where}: a time without a zone")
        return moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Malformed(f"{where}: not an ISO 8601 time: {text[:40]!r}") from error


def _a(kind: type[T] | tuple[type, ...], value: object, where: str) -> T:
    kinds = kind if isinstance(kind, tuple) else (kind,)
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise Malformed(
            f"{where}: expected {' or '.join(k.__name__ for k in kinds)}, not {type(value).__name__}"
        )
    return value  # type: ignore[return-value] # narrowed by the tuple of kinds above


def _only(union: object) -> object:
    (inner,) = (arg for arg in get_args(union) if arg is not type(None))
    return inner


def _depth(raw: bytes) -> int:
    """The nesting of brackets outside strings: an attacker chooses a URL's brackets, and must not hide it so."""
    if raw.count(b"[") + raw.count(b"{") <= DEPTH_CAP:
        return 0
    steps = (
        1 if token in b"[{" else -1 for token in _TOKENS.findall(raw) if len(token) == 1 and token != b'"'
    )
    return max(accumulate(steps), default=0)


_TOKENS = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[{}\]]', re.DOTALL)
"""Strings whole (an unclosed one to the end, so that matching stays linear) and brackets."""
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def _storable(value: T) -> T:
    match value:
        case str():
            return _UNSTORABLE.sub("\ufffd", value)  # type: ignore[return-value] # text stays text
        case list():
            return [_storable(item) for item in value]  # type: ignore[return-value]
        case dict():
            return {_storable(key): _storable(item) for key, item in value.items()}  # type: ignore[return-value]
        case _:
            return value


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON number")


def _parsers() -> dict[str, Callable[[str], object]]:
    from omamori.protocol import ids

    return {"UnitId": ids.unit_id, "BootId": ids.boot_id, "Mac": ids.mac, "DetectionId": ids.detection_id}


_PARSERS = _parsers()
