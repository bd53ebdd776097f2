"""What comments and issues say, as Markdown. Their first line is a hidden marker, by which they are found again."""

import re
from collections.abc import Iterable, Mapping

from reconciler.ci.job import Job
from reconciler.ci.labels import Allowance
from reconciler.core.model.printable import safe

DRIFT_TITLE = "Drift: the gateway differs from what was applied"
DRIFT_LABEL = "reconciler-drift"
HEAL = "Heal it: run the workflow that applies. Keep it: change the config to what is live, in a pull request."
CUT = "\n\n_The rest is too long for a comment; see the artifact._\n"
FENCE = "`" * 10
MOST_FENCED = 25_000
_PLACE = re.compile(r"[^A-Za-z0-9._/ ]")
_COLOR = re.compile(r"\x1b\[[0-9;]*m")
_MARKUP = str.maketrans("", "", "<>`@")


def place(config: str, gateway: str | None, environment: str | None) -> str:
    """Names config, gateway and environment; each has a comment of its own."""
    return _PLACE.sub("_", f"{config} {gateway or 'default'} {environment or 'base'}")


def marker(about: str, where: str) -> str:
    """The first line of a post about `plan`, `apply` or `drift`."""
    return f"<!-- reconciler:{about} {where} -->"


def post(about: str, where: str, job: Job, *parts: str) -> str:
    """A whole post: marker, parts with a line between them, and which commit and run it is from."""
    run = f"[run]({job.url})" if job.url else "a run"
    body = "\n\n".join(part.strip("\n") for part in parts if part.strip())
    return f"{marker(about, where)}\n{body}\n\n<sub>Commit {job.head} · {run}</sub>\n"


def fenced(text: str) -> str:
    """A text as a block of code that nothing in it can close; a long one is cut."""
    plain = _COLOR.sub("", text).strip("\n")
    kept = "\n".join(safe(line) for line in plain[:MOST_FENCED].split("\n"))
    more = "\n..." if len(plain) > MOST_FENCED else ""
    return f"{FENCE}text\n{re.sub('`{10,}', FENCE[1:], kept)}{more}\n{FENCE}"


def folded(title: str, text: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{fenced(text)}\n\n</details>"


def fitted(text: str, longest: int) -> str:
    """The text in at most `longest` UTF-16 units, as GitHub counts. What is cut is said, outside of any code."""
    if _units(text) <= longest:
        return text
    room = longest - _units(f"\n{FENCE}{CUT}")
    kept = text.encode("utf-16-le", "surrogatepass")[: 2 * room].decode("utf-16-le", "ignore")
    open_fence = len(re.findall(rf"^{FENCE}", kept, re.MULTILINE)) % 2
    return kept + (f"\n{FENCE}" if open_fence else "") + CUT


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


# ---- plan


def about_labels(allowed: Allowance) -> str:
    """What a pull request needs before its check passes, or what its labels allowed."""
    if allowed.never:
        return "This check fails: apply would refuse this, and no label allows it."
    if allowed.missing:
        named = _codes(allowed.missing)
        return f"This check fails until the pull request carries: {named}"
    return f"Allowed by labels: {_codes(allowed.given)}" if allowed.given else ""


def _codes(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


INVALID = "### The config is not valid: no plan"
UNPLANNED = "### There is no plan that could be applied"
BROKEN = "### There is no plan: the run failed before"


# ---- apply


def apply_heading(code: int, counts: Mapping[str, int]) -> str:
    how = "Applied" if code == 0 else f"Not applied completely: exit code {code}"
    applied, failed, blocked = (counts.get(name, 0) for name in ("applied", "failed", "blocked"))
    return f"### {how}: {applied} steps applied, {failed} failed, {blocked} not sent"


def which_plan(reason: str) -> str:
    """`reason`: why the reviewed plan was not used; empty where it was."""
    if not reason:
        return "This was the plan as reviewed."
    return f"The reviewed plan was not used: {safe(reason).translate(_MARKUP)}."
