import pytest

from reconciler.core.model.findings import Level
from reconciler.core.model.kinds import AccessGroup, ModelAlias, Team
from reconciler.core.model.refs import Ref
from reconciler.core.model.state import State
from reconciler.core.rules.check import check
from reconciler.core.rules.undeclared import decided, put_off
from reconciler.gateways import BACKENDS
from reconciler.pipeline import load

STATE = State(
    {
        Ref("access_group", "g"): AccessGroup(model_aliases=["far", "gone"]),
        Ref("team", "t"): Team(access_groups=["nope"]),
    }
)


def codes(findings):
    return sorted((f.code, f.level.value, f.path[-1]) for f in findings if f.path)


def test_as_written_every_dangling_link_is_an_error():
    assert {f.level for f in check(STATE)} == {Level.ERROR}


@pytest.mark.parametrize("backend", BACKENDS)
def test_they_wait_where_a_gateway_of_the_settings_may_serve_what_nobody_declares(
    backend, tmp_path
):
    (tmp_path / "all.yaml").write_text("access_groups: {g: {model_aliases: [far]}}\n")
    (tmp_path / "reconciler.yaml").write_text(
        f"gateways: {{embedded: {{backend: embedded}}, other: {{backend: {backend}, url: 'http://127.0.0.1:1'}}}}\n"
    )
    (finding,) = load(tmp_path, variables={}).findings
    assert (finding.level is Level.WARNING) == (backend == "litellm")


def test_aliases_of_groups_wait_for_the_read_and_nothing_else_does():
    waiting = put_off(check(STATE))
    assert codes(waiting) == [
        ("dangling-reference", "error", "nope"),
        ("declared-elsewhere", "warning", "far"),
        ("declared-elsewhere", "warning", "gone"),
    ]
    read = decided(waiting, {Ref("model_alias", "far")})
    assert codes(read) == [
        ("dangling-reference", "error", "gone"),
        ("dangling-reference", "error", "nope"),
    ]


def test_once_the_gateway_was_read_no_hint_says_that_it_will_be():
    """The nearest name stays; what a plan will tell has been told."""
    state = State(
        {
            Ref("access_group", "g"): AccessGroup(model_aliases=["gtp-4", "quite-another"]),
            Ref("model_alias", "gpt-4"): ModelAlias(litellm_model="openai/gpt-4"),
        }
    )
    waiting = put_off(check(state))
    assert all("plan tells" in finding.hint for finding in waiting)
    assert [finding.hint for finding in decided(waiting, ())] == [
        "did you mean gpt-4?",
        "declare it under model_aliases",
    ]
    served = [finding.hint for finding in decided(waiting, (), lambda _name: False)]
    assert served == [
        "nothing on the gateway serves gtp-4, so this grants nothing; did you mean gpt-4?",
        "nothing on the gateway serves quite-another, so this grants nothing; declare it under model_aliases",
    ]
