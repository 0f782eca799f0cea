"""What a rule is once it is read: frozen values, no behaviour, nothing resolved yet.

The Suricata language (`firmware/signatures/suricata`) makes these; `ruleset.py` evaluates them. Names are those of the
Suricata 7 manual ("Rules" chapter), because that is what rule writers look up. Addresses and ports keep their
variables: a unit knows its own HOME_NET, the release side does not.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from omamori.firmware.engine.ips.asn1 import Asn1
from omamori.firmware.engine.ips.bounce import FtpBounce
from omamori.firmware.engine.ips.datasets import InDataset
from omamori.firmware.engine.ips.thresholds import DetectionFilter, Threshold

Number: TypeAlias = int | str
"""A number, or the name of a variable that byte_extract or byte_math fills."""


class RuleAction(StrEnum):
    """In the order in which Suricata applies them: a pass ends the evaluation."""

    PASS = "pass"  # noqa: S105 - the rule language's word
    DROP = "drop"
    REJECT = "reject"
    ALERT = "alert"


@dataclass(frozen=True, slots=True)
class Span:
    """An address network or a port range, both ends included. Addresses as integers of their version (4 or 6)."""

    version: int
    """4 or 6; 0 for ports."""
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Variable:
    """`$HOME_NET`, `$HTTP_PORTS`: resolved when the rule set is built."""

    name: str


@dataclass(frozen=True, slots=True)
class Group:
    """`any` (no item, not negated), `[a,b,!c]`, or one negated item: the union of the plain items less the negated ones."""

    items: tuple["Span | Variable | Group", ...] = ()
    negated: bool = False


ANYTHING = Group()


class Operator(StrEnum):
    """Comparisons; `RANGE` excludes both ends (`<>`), `SPAN` includes them (`-`)."""

    EQUAL = "="
    NOT_EQUAL = "!="
    LESS = "<"
    LESS_EQUAL = "<="
    GREATER = ">"
    GREATER_EQUAL = ">="
    RANGE = "<>"
    SPAN = "-"
    NOT_RANGE = "!<>"


@dataclass(frozen=True, slots=True)
class Comparison:
    operator: Operator
    low: int
    high: int = 0


@dataclass(frozen=True, slots=True)
class Content:
    """Bytes in the buffer. `depth` counts from `offset`, `within` from the end of the last match plus `distance`."""

    pattern: bytes
    nocase: bool = False
    negated: bool = False
    offset: Number | None = None
    depth: Number | None = None
    distance: Number | None = None
    within: Number | None = None
    startswith: bool = False
    endswith: bool = False
    fast: bool = False
    """The rule's writer chose it for the prefilter."""

    @property
    def relative(self) -> bool:
        return self.distance is not None or self.within is not None


@dataclass(frozen=True, slots=True)
class Regex:
    """A pcre, as the rule writes it."""

    expression: bytes
    flags: int = 0
    """Flags of `pcre2.py`."""
    negated: bool = False
    relative: bool = False
    captures: tuple[tuple[str, str], ...] = ()
    """(`flow`, `pkt` or `alert`, variable name) for each capture group from the first on."""


@dataclass(frozen=True, slots=True)
class DataAt:
    """`isdataat`: there is data that far into the buffer, or that far behind the last match."""

    count: Number
    relative: bool = False
    negated: bool = False


@dataclass(frozen=True, slots=True)
class BufferSize:
    """`bsize` and `urilen`."""

    comparison: Comparison


@dataclass(frozen=True, slots=True)
class NumberIs:
    """The buffer is a number in decimal that compares so: `dns.opcode`."""

    comparison: Comparison


@dataclass(frozen=True, slots=True)
class Bytes:
    """How byte_test and its kin read a number from the buffer."""

    count: Number
    offset: Number = 0
    relative: bool = False
    little: bool = False
    base: int = 0
    """10, 16 or 8 where the number is text; 0 where it is binary."""
    bitmask: int = 0


@dataclass(frozen=True, slots=True)
class ByteTest:
    read: Bytes
    operator: str
    """`<`, `>`, `=`, `<=`, `>=`, `&` or `^`."""
    value: Number
    negated: bool = False


@dataclass(frozen=True, slots=True)
class ByteJump:
    read: Bytes
    multiplier: int = 1
    align: int = 0
    from_beginning: bool = False
    from_end: bool = False
    post_offset: Number = 0


@dataclass(frozen=True, slots=True)
class ByteExtract:
    read: Bytes
    name: str
    multiplier: int = 1
    align: int = 0


@dataclass(frozen=True, slots=True)
class ByteMath:
    read: Bytes
    operator: str
    """`+`, `-`, `*`, `/`, `<<` or `>>`."""
    operand: Number
    result: str


@dataclass(frozen=True, slots=True)
class Base64Decode:
    """Decodes from here; `steps` look at the result (`base64_data`)."""

    count: int = 0
    """Bytes of text at most; 0 for all there are."""
    offset: int = 0
    relative: bool = False
    steps: tuple["Step", ...] = ()


Step: TypeAlias = (
    Content
    | Regex
    | DataAt
    | BufferSize
    | NumberIs
    | InDataset
    | Asn1
    | ByteTest
    | ByteJump
    | ByteExtract
    | ByteMath
    | Base64Decode
)


@dataclass(frozen=True, slots=True)
class Section:
    """The steps over one buffer; several values of a multi-instance buffer are tried one by one."""

    buffer: str
    """A name of `inspection.py`; `payload` stands for packet payload or stream, as the rule's protocol says."""
    steps: tuple[Step, ...]
    transforms: tuple[tuple[str, str], ...] = ()
    """(name, argument), applied in order."""


@dataclass(frozen=True, slots=True)
class FieldCheck:
    """A number of the packet: `version`, `ttl`, `itype`, `icode`, `icmp_id`, `icmp_seq`, `dsize`, `id`, `window`, `seq`, `ack`, ..."""

    field: str
    comparison: Comparison


@dataclass(frozen=True, slots=True)
class BitsCheck:
    """`flags` and `fragbits`: `bits` compared after removing `ignored`."""

    field: str
    bits: int
    modifier: str = ""
    """Empty: exactly these. `+`: these and any others. `*`: any of these. `-` or `!`: not all of these."""
    ignored: int = 0


@dataclass(frozen=True, slots=True)
class IpOption:
    """`ipopts`: the IPv4 option of this number is there; None for any."""

    number: int | None


@dataclass(frozen=True, slots=True)
class SameAddress:
    """`sameip`."""


@dataclass(frozen=True, slots=True)
class StreamSize:
    """`stream_size`: bytes seen so far: `server`, `client`, `both` or `either`."""

    side: str
    comparison: Comparison


@dataclass(frozen=True, slots=True)
class ApplicationIs:
    """`app-layer-protocol`."""

    name: str
    negated: bool = False


@dataclass(frozen=True, slots=True)
class EventRaised:
    """`app-layer-event`, `decode-event`, `stream-event`."""

    name: str


@dataclass(frozen=True, slots=True)
class FlowCount:
    """`flow.age`, `flow.pkts_toserver`, ...: what was counted of the flow."""

    field: str
    comparison: Comparison


@dataclass(frozen=True, slots=True)
class ReputationIs:
    """`iprep`: the score of an address in a category; one of which nothing is known never compares."""

    side: str
    """`src`, `dst`, `any` or `both`."""
    category: str
    comparison: Comparison


Check: TypeAlias = (
    FieldCheck
    | BitsCheck
    | IpOption
    | SameAddress
    | FtpBounce
    | StreamSize
    | ApplicationIs
    | EventRaised
    | FlowCount
    | ReputationIs
)


class BitOp(StrEnum):
    SET = "set"
    UNSET = "unset"
    TOGGLE = "toggle"
    ISSET = "isset"
    ISNOTSET = "isnotset"


@dataclass(frozen=True, slots=True)
class FlowBits:
    """Several names mean any of them (`isset,a|b`)."""

    op: BitOp
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class XBits:
    """Like flowbits, remembered by address: `track` is `ip_src`, `ip_dst` or `ip_pair`."""

    op: BitOp
    name: str
    track: str
    expire: int
    """Seconds."""


@dataclass(frozen=True, slots=True)
class FlowInt:
    name: str
    op: str
    """`=`, `+`, `-`, a comparison, `isset` or `notset`."""
    value: Number = 0


StateOp: TypeAlias = FlowBits | XBits | FlowInt


@dataclass(frozen=True, slots=True)
class FlowState:
    """`flow`: None means not asked."""

    established: bool | None = None
    to_server: bool | None = None
    only_stream: bool = False
    no_stream: bool = False
    fragment: bool | None = None


@dataclass(frozen=True, slots=True)
class Header:
    action: RuleAction
    protocol: str
    """Lower case: `ip`, `tcp`, `tcp-pkt`, `tcp-stream`, `udp`, `icmp`, `http`, `dns`, ..."""
    source: Group = ANYTHING
    source_ports: Group = ANYTHING
    destination: Group = ANYTHING
    destination_ports: Group = ANYTHING
    both_ways: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `sections` keep the order of the text; the first has buffer `payload` where content has no sticky buffer."""

    header: Header
    sid: int
    revision: int = 0
    gid: int = 1
    message: str = ""
    classtype: str = ""
    priority: int = 3
    """1 is the most urgent."""
    references: tuple[str, ...] = ()
    metadata: tuple[tuple[str, str], ...] = ()
    target: str = ""
    """Which end is attacked: `src_ip`, `dest_ip` or empty."""
    flow: FlowState = FlowState()
    checks: tuple[Check, ...] = ()
    sections: tuple[Section, ...] = ()
    state: tuple[StateOp, ...] = ()
    threshold: Threshold | None = None
    detection_filter: DetectionFilter | None = None
    silent: bool = False
    """`noalert`: it only keeps state, or drops without a word."""
