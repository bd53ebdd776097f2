from reconciler.core.model.findings import Origin, error, warning
from reconciler.core.model.refs import Ref


def test_a_finding_reads_as_on_the_command_line():
    where = Origin("config/teams.yaml", 3, 11)
    ref = Ref("team", "x")
    assert str(error("loss", "x loses y", hint="ask", ref=ref, origin=where)) == (
        "config/teams.yaml:3:11: error loss: x loses y (ask)"
    )
    assert str(warning("odd", "this is odd", ref=ref)) == "team/x: warning odd: this is odd"
    assert str(error("odd", "this is odd")) == "error odd: this is odd"
