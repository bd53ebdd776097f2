"""What a group names though no manifest declares it: a LiteLLM Proxy may have it in its config.yaml, or serve it.

Rows of config.yaml can only be read, so they cannot be declared. A name may also be one that a wildcard deployment
serves, a pattern, or a legacy access group. All of that is known once the gateway was read.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace

from reconciler.core.model.findings import Finding, Level
from reconciler.core.model.kinds import AccessGroup, ModelAlias
from reconciler.core.model.refs import Ref

CODE = "declared-elsewhere"
UNSERVED = "nothing-serves"
HINT = "plan tells once it has read the gateway: it may have the model in its config.yaml, or serve it by a wildcard"


def put_off(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Dangling aliases of groups as warnings: for settings with a gateway that may serve what no manifest declares."""
    return tuple(_put_off(finding) if _alias_of(finding) else finding for finding in findings)


def _put_off(finding: Finding) -> Finding:
    hint = f"{finding.hint} {HINT}" if finding.hint else HINT
    return replace(finding, level=Level.WARNING, code=CODE, hint=hint)


def _alias_of(finding: Finding) -> bool:
    in_a_group = finding.ref is not None and finding.ref.kind == AccessGroup.kind
    return (
        finding.code == "dangling-reference"
        and in_a_group
        and finding.path[:1] == ("model_aliases",)
    )


def decided(
    findings: Iterable[Finding], fixed: Collection[Ref], serves: Callable[[str], bool] | None = None
) -> tuple[Finding, ...]:
    """The findings after the read: nothing about aliases that the gateway has fixed, or about names that it serves.

    Any other name is an error where groups hold aliases only (`serves` is None); else it grants nothing, which is told.
    """
    return tuple(decision for finding in findings for decision in _decided(finding, fixed, serves))


def _decided(
    finding: Finding, fixed: Collection[Ref], serves: Callable[[str], bool] | None
) -> tuple[Finding, ...]:
    if finding.code != CODE:
        return (finding,)
    name = str(finding.path[-1])
    if Ref(ModelAlias.kind, name) in fixed or (serves is not None and serves(name)):
        return ()
    near = (
        (finding.hint or "").removesuffix(HINT).strip()
    )  # the gateway has been read: nothing is put off any more
    if serves is None:
        return (replace(finding, level=Level.ERROR, code="dangling-reference", hint=near or None),)
    says = f"nothing on the gateway serves {name}, so this grants nothing"
    return (replace(finding, code=UNSERVED, hint=f"{says}; {near}" if near else says),)
