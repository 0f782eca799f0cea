"""What `check-rules` tells: how many rules load, and of each other why not."""

from collections import Counter
from collections.abc import Iterator

from omamori.firmware.signatures.suricata.files import Parsed


def summary(parsed: Parsed) -> dict[str, object]:
    """The JSON form."""
    total = len(parsed.rules) + len(parsed.refused)
    reasons = Counter(refusal.keyword or "wrong text" for refusal in parsed.refused)
    return {
        "rules": total,
        "loaded": len(parsed.rules),
        "refused": len(parsed.refused),
        "disabled": parsed.disabled,
        "share": round(len(parsed.rules) / total, 6) if total else 1.0,
        "reasons": dict(reasons.most_common()),
        "refusals": [
            {"file": r.file, "line": r.line, "column": r.column, "keyword": r.keyword, "reason": r.reason}
            for r in parsed.refused
        ],
    }


def lines(parsed: Parsed) -> Iterator[str]:
    """For people: the refusals, then the share."""
    for refusal in parsed.refused:
        yield str(refusal)
    told = summary(parsed)
    share = 100 * len(parsed.rules) / (len(parsed.rules) + len(parsed.refused) or 1)
    note = (
        f" ({parsed.disabled} more are commented out; --disabled reads them too)" if parsed.disabled else ""
    )
    yield f"{told['loaded']} of {told['rules']} rules load, {share:.2f} %{note}"
    reasons = told["reasons"]
    if isinstance(reasons, dict) and reasons:
        yield "not loaded by keyword: " + ", ".join(f"{name} {count}" for name, count in reasons.items())
