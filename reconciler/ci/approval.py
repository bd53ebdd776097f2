"""Whether a plan that was made in a pull request is the approved one for a commit: it must hold in every respect.

| what | against what | else |
|---|---|---|
| the pull request | merged as just this commit, and from no fork | it was not reviewed as what is applied |
| the run | of our workflow, for the pull request, a success (`github`, `gitlab`) | anybody's run may choose the name |
| the archive | not expired, and with the digest that the service names | it was changed |
| head | the pull request's last commit | it was pushed to after |
| plan_sha256 | the plan file | it was changed |
| place | config, gateway and environment of this job | it is for another gateway |
| config_tree | the config of this commit | others merged meanwhile |

That the gateway has not moved since is for `core.plan.saved.against`, which apply asks.
"""

import hashlib
import io
import json
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Literal

from pydantic import BaseModel, ValidationError

from reconciler.ci.job import PullRequest

PLAN, BINDING = "plan.json", "binding.json"
MOST_BYTES = 512 << 20


class UntrustedError(Exception):
    """Why there is no approved plan, as the end of a sentence; to have none is no error."""

    @property
    def reason(self) -> str:
        return str(self.args[0])


class Binding(BaseModel):
    """What a plan holds for. `config_tree` names the content of the config directory, whatever commit it is in."""

    version: Literal[1] = 1
    config_tree: str
    head: str
    commit: str
    plan_sha256: str
    place: str


@dataclass(frozen=True, slots=True)
class Approved:
    """The plan file that was approved, byte for byte, and the options that allow what it is refused for."""

    plan: bytes
    flags: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Here:
    """What a job is about to apply: `place` as in a marker; `config_tree` is None where there is no config."""

    place: str
    config_tree: str | None


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def approved(archive: bytes, pull: PullRequest, here: Here) -> Approved:
    """The plan in an archive that a trusted run left. Raises UntrustedError where it does not hold."""
    plan, raw = unpacked(archive, PLAN, pull), unpacked(archive, BINDING, pull)
    try:
        binding = Binding.model_validate_json(raw)
    except ValidationError:
        raise UntrustedError(f"the artifact of {pull.name} holds no plan") from None
    if binding.plan_sha256 != sha256(plan):
        raise UntrustedError(f"the plan of {pull.name} was changed")
    if binding.head != pull.head:
        raise UntrustedError(f"the plan of {pull.name} is of another commit than its last one")
    if binding.place != here.place:
        raise UntrustedError(f"the plan of {pull.name} is for another config or gateway")
    if here.config_tree is None:
        raise UntrustedError("this commit has no config")
    if not binding.config_tree or binding.config_tree != here.config_tree:
        says = f"{pull.name} was planned for another state of the config than this commit has"
        raise UntrustedError(says)
    return Approved(plan, refused_flags(plan))


def unpacked(archive: bytes, name: str, pull: PullRequest) -> bytes:
    """The one file of that name in the archive, in whatever folder; nothing is written. Raises UntrustedError."""
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            entries = [e for e in opened.infolist() if PurePosixPath(e.filename).name == name]
            if len(entries) != 1:
                raise UntrustedError(f"the artifact of {pull.name} holds no plan")
            with opened.open(entries[0]) as file:
                content = file.read(MOST_BYTES + 1)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError):
        raise UntrustedError(f"the artifact of {pull.name} is no readable archive") from None
    if len(content) > MOST_BYTES:
        raise UntrustedError(f"the plan of {pull.name} is larger than {MOST_BYTES >> 20:,} MB")
    return content


def refused_flags(plan: bytes) -> tuple[str | None, ...]:
    """Of each refusal in a plan file the option that allows it. A file that is none has none: apply refuses it."""
    try:
        document: Any = json.loads(plan)
        return tuple(refusal.get("flag") for refusal in document["plan"]["refusals"])
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return ()


def outdated(codes: tuple[str, ...]) -> bool:
    """Whether apply did nothing only because the approved plan no longer holds, by the codes of its errors."""
    return bool(codes) and all(code.startswith("plan-") for code in codes)
