"""A rule while its options are read: which buffer is active, which content a modifier belongs to."""

from dataclasses import dataclass, field, replace
from typing import Any

from omamori.firmware.engine.ips.rule import (
    Base64Decode,
    Check,
    Content,
    FlowState,
    Header,
    Rule,
    Section,
    StateOp,
    Step,
)
from omamori.firmware.engine.ips.thresholds import DetectionFilter, Threshold
from omamori.firmware.signatures.suricata.buffers import BUFFERS
from omamori.firmware.signatures.suricata.errors import RuleSyntaxError, Unsupported
from omamori.firmware.signatures.suricata.lexer import Option
from omamori.firmware.signatures.suricata.recognised import APPLICATIONS, FILES

PAYLOAD = "payload"
_ALSO = {"http": ("http1", "http2"), "tls": ("quic", "smtp", "ftp", "imap", "pop3"), "ftp": ("ftp-data",)}
"""Protocols that fill buffers of another one, too."""
DECODED = "base64_data"


@dataclass(slots=True)
class DraftSection:
    buffer: str
    transforms: tuple[tuple[str, str], ...]
    steps: list[Step] = field(default_factory=list)


@dataclass(slots=True)
class Draft:
    """What has been read so far; `finish` checks the whole and freezes it."""

    header: Header
    sid: int | None = None
    revision: int = 0
    gid: int = 1
    message: str = ""
    classtype: str = ""
    priority: int | None = None
    references: list[str] = field(default_factory=list)
    metadata: list[tuple[str, str]] = field(default_factory=list)
    target: str = ""
    flow: FlowState = field(default_factory=FlowState)
    checks: list[Check] = field(default_factory=list)
    state: list[StateOp] = field(default_factory=list)
    threshold: Threshold | None = None
    detection_filter: DetectionFilter | None = None
    silent: bool = False
    sections: list[DraftSection] = field(default_factory=list)
    active: DraftSection | None = None
    last: tuple[DraftSection, int] | None = None
    """Where the last content is."""

    def enter(self, buffer: str) -> None:
        """A sticky buffer: what follows looks there."""
        known = BUFFERS.get(buffer)
        if known and known.many:
            self.active = DraftSection(buffer, ())
            self.sections.append(self.active)
        else:
            self.active = self._section(buffer, ())

    def leave(self) -> None:
        """`pkt_data`: back to payload."""
        self.active = None

    def transform(self, name: str, argument: str) -> None:
        """The active buffer, transformed; a buffer that has steps already is another one."""
        if self.active is None:
            raise RuleSyntaxError(f"{name} needs a sticky buffer before it")
        changed = (*self.active.transforms, (name, argument))
        if self.active.steps:
            self.active = self._section(self.active.buffer, changed)
        else:
            self.active.transforms = changed

    def add(self, step: Step, buffer: str | None = None) -> None:
        """To the active buffer, or to the one a pcre flag names."""
        section = self._section(buffer, ()) if buffer else self.active or self._section(PAYLOAD, ())
        if isinstance(step, Content):
            self.last = (section, len(section.steps))
        section.steps.append(step)

    def content(self, option: Option) -> Content:
        """The content that a modifier is about. Raises RuleSyntaxError."""
        if self.last is None:
            raise RuleSyntaxError(f"{option.name} needs a content before it", option.column)
        step = self.last[0].steps[self.last[1]]
        assert isinstance(step, Content)  # noqa: S101 - only contents are remembered
        return step

    def change(self, option: Option, **changes: Any) -> None:  # noqa: ANN401 - fields of Content
        changed = replace(self.content(option), **changes)
        assert self.last is not None  # noqa: S101 - content() raised otherwise
        self.last[0].steps[self.last[1]] = changed

    def move(self, option: Option, buffer: str) -> None:
        """An old modifier: the last content belongs to that buffer. Raises RuleSyntaxError."""
        content = self.content(option)
        assert self.last is not None  # noqa: S101 - content() raised otherwise
        origin, index = self.last
        if origin.buffer != PAYLOAD:
            raise RuleSyntaxError(
                f"{option.name} after a content that is already in {origin.buffer}", option.column
            )
        del origin.steps[index]
        target = self._section(buffer, ())
        self.last = (target, len(target.steps))
        target.steps.append(content)

    def _section(self, buffer: str, transforms: tuple[tuple[str, str], ...]) -> DraftSection:
        for section in self.sections:
            if section.buffer == buffer and section.transforms == transforms:
                return section
        section = DraftSection(buffer, transforms)
        self.sections.append(section)
        return section

    def finish(self, priorities: dict[str, int]) -> Rule:
        """Raises RuleSyntaxError."""
        if self.sid is None:
            raise RuleSyntaxError("no sid")
        self._check_buffers()
        priority = self.priority if self.priority is not None else priorities.get(self.classtype, 3)
        return Rule(
            self.header,
            self.sid,
            self.revision,
            self.gid,
            self.message,
            self.classtype,
            priority,
            tuple(self.references),
            tuple(self.metadata),
            self.target,
            self.flow,
            tuple(self.checks),
            self._frozen_sections(),
            tuple(self.state),
            self.threshold,
            self.detection_filter,
            self.silent,
        )

    def _check_buffers(self) -> None:
        """Raises RuleError for a buffer that the header's protocol never has."""
        protocol = self.header.protocol
        if protocol not in APPLICATIONS:
            return
        for name in {section.buffer for section in self.sections} & BUFFERS.keys():
            filled = BUFFERS[name].application
            if name.startswith("file.") and protocol not in FILES:
                raise Unsupported(f"{name} of {protocol}", "files of this protocol are not taken out", 1)
            if filled and protocol not in (filled, *_ALSO.get(filled, ())):
                raise RuleSyntaxError(f"{name} is no buffer of {protocol}")

    def _frozen_sections(self) -> tuple[Section, ...]:
        sections = [section for section in self.sections if section.steps or section.buffer != PAYLOAD]
        decoded = [step for section in sections if section.buffer == DECODED for step in section.steps]
        sections = [section for section in sections if section.buffer != DECODED]
        frozen = tuple(Section(s.buffer, tuple(s.steps), s.transforms) for s in sections)
        return _with_decoded(frozen, tuple(decoded)) if decoded else frozen


def _with_decoded(sections: tuple[Section, ...], decoded: tuple[Step, ...]) -> tuple[Section, ...]:
    """`base64_data` belongs into the decode step that makes its data."""
    done, found = [], False
    for section in sections:
        steps = []
        for step in section.steps:
            if isinstance(step, Base64Decode):
                step, found = replace(step, steps=decoded), True  # noqa: PLW2901 - the changed step
            steps.append(step)
        done.append(replace(section, steps=tuple(steps)))
    if not found:
        raise RuleSyntaxError("base64_data without base64_decode")
    return tuple(done)
