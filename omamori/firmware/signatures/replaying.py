"""What `omamori engine replay` reads and tells."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

from omamori.firmware.engine import eve as events
from omamori.firmware.engine.ips.rule import Group
from omamori.firmware.engine.ips.spans import Variables, networks
from omamori.firmware.engine.signatures import Signatures
from omamori.firmware.signatures.capture import CaptureError
from omamori.firmware.signatures.replay import Options, Outcome
from omamori.firmware.signatures.replay import replay as run_replay
from omamori.protocol.wire import to_wire

__all__ = ["CaptureError", "home_variables", "run", "text"]


def home_variables(home: tuple[str, ...], variables: Variables) -> Variables:
    """Raises ValueError for what is no network; `any` is everything."""
    if not home:
        return variables
    if "any" in home:
        return variables.with_groups({"HOME_NET": Group(), "EXTERNAL_NET": Group()})
    return variables.with_groups({"HOME_NET": networks(*home)})


def run(
    pcap: Path,
    signatures: Signatures,
    variables: Variables,
    *,
    ips: bool,
    eve: Path | None,
    progress: Callable[[str], None],
) -> dict[str, object]:
    """Raises CaptureError, OSError."""
    with eve.open("w", encoding="utf-8") if eve else nullcontext() as out:
        outcome = run_replay(
            pcap,
            signatures,
            Options(variables, prevent=ips),
            progress=lambda packets: progress(f"{packets} packets"),
        )
        if out is not None:
            for sighting in outcome.sightings:
                out.write(events.line(sighting) + "\n")
    return told(outcome)


def told(outcome: Outcome) -> dict[str, object]:
    return {
        "packets": outcome.packets,
        "skipped": outcome.skipped,
        "dropped": outcome.dropped,
        "rewritten": outcome.rewritten,
        "drop_reasons": outcome.reasons,
        "detections": [to_wire(sighting.detection) for sighting in outcome.sightings],
    }


def text(told: dict[str, object]) -> str:
    """For people."""
    lines = []
    detections = told["detections"]
    assert isinstance(detections, list)  # noqa: S101 - made above
    for each in detections:
        ends = " -> ".join(
            f"{end['address']}:{end.get('port') or '-'}" for end in (each["source"], each["destination"])
        )
        lines.append(
            f"{each['time']} {each['action']:8} {each['signature_id']} {each['signature']} {each['protocol']} {ends}"
        )
    lines.append(
        f"{told['packets']} packets, {len(detections)} detections, {told['dropped']} dropped, {told['rewritten']} overwritten,"
        f" {told['skipped']} frames without IP"
    )
    return "\n".join(lines)
