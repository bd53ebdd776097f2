"""Earlier applies as text."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from reconciler.core.model.printable import json_text, safe
from reconciler.render.layout import printed, text

if TYPE_CHECKING:
    from rich.text import Text

    from reconciler.ledger import ApplyRecord, JournalEntry

TONES = {
    "done": "+",
    "applied": "+",
    "running": "~",
    "intended": "~",
    "unknown": "error",
    "failed": "error",
}
WHEN = "%Y-%m-%d %H:%M:%S"


def render_history(records: Sequence["ApplyRecord"], *, color: bool = False) -> str:
    """One line for each apply, newest first."""
    if not records:
        return "No apply yet.\n"
    head = text(
        (
            f"{'apply':>6}  {'started (UTC)':<19}  {'status':<11}  {'commit':<9}  {'steps':<24}  by",
            "title",
        )
    )
    return printed([head, *(_line(record) for record in records)], color=color)


def _line(record: "ApplyRecord") -> "Text":
    counts = _counts(record.counts) or _counts(record.planned)
    return text(
        f"{record.apply_id:>6}  {record.started.strftime(WHEN)}  ",
        (f"{record.status:<11}", TONES.get(record.status, "warning")),
        f"  {(record.revision or '-')[:9]:<9}  {counts:<24}  {safe(record.actor)}",
    )


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in sorted(counts.items()) if number)


def render_apply(
    record: "ApplyRecord", entries: Sequence["JournalEntry"], *, color: bool = False
) -> str:
    """One apply with its steps in the order of their intents."""
    head = [
        text((f"Apply {record.apply_id}  {record.status}", "title")),
        text(f"  by        {safe(record.actor)}"),
        text(f"  started   {record.started.strftime(WHEN)} UTC"),
        text(f"  finished  {record.finished.strftime(WHEN) + ' UTC' if record.finished else '-'}"),
        text(f"  commit    {record.revision or '-'}"),
        text(f"  plan      {record.plan_digest[:16]}: {_counts(record.planned)}"),
        text(f"  command   {safe(record.command)}"),
        text(),
    ]
    return printed([*head, *(_step(entry) for entry in entries)], color=color)


def _step(entry: "JournalEntry") -> "Text":
    seconds = f"{entry.seconds:.2f} s" if entry.seconds is not None else "-"
    said = "; ".join(safe(part) for part in (entry.error, entry.note) if part)
    return text(
        f"{entry.journal_id:>8}  ",
        (f"{entry.state:<8}", TONES.get(entry.state, "warning")),
        f"  {seconds:>8}  {safe(entry.step_id)}",
        (f"  {said}" if said else "", "dim"),
    )


def history_json(records: Sequence["ApplyRecord"]) -> str:
    """A list of applies, newest first: ids, who, when, commit, and what was planned and came of it."""
    return json_text([_apply_data(record) for record in records]) + "\n"


def apply_json(record: "ApplyRecord", entries: Sequence["JournalEntry"]) -> str:
    """One apply as in the list, with its `steps` in the order of their intents."""
    return (
        json_text({**_apply_data(record), "steps": [_step_data(each) for each in entries]}) + "\n"
    )


def _apply_data(record: "ApplyRecord") -> dict[str, Any]:
    return {
        "apply": record.apply_id,
        "status": record.status,
        "actor": record.actor,
        "command": record.command,
        "revision": record.revision,
        "plan_digest": record.plan_digest,
        "started": record.started.isoformat(),
        "finished": record.finished.isoformat() if record.finished else None,
        "planned": dict(record.planned),
        "counts": dict(record.counts),
    }


def _step_data(entry: "JournalEntry") -> dict[str, Any]:
    """Without what was sent: who wants that has the plan."""
    return {
        "id": entry.journal_id,
        "step": entry.step_id,
        "ref": f"{entry.kind}/{entry.name}",
        "action": entry.action,
        "state": entry.state,
        "error": entry.error,
        "note": entry.note,
        "seconds": entry.seconds,
        "intended": entry.intended.isoformat(),
        "settled": entry.settled.isoformat() if entry.settled else None,
    }
