"""--log-format json, --quiet and colours: what goes to which stream."""

import json

import pytest
from e2e_world import Done, Place, company

from reconciler.cli.output import color


def events(done: Done) -> list[dict]:
    """Every line of standard error; each must be one JSON object."""
    return [json.loads(line) for line in done.err.splitlines()]


def named(done: Done) -> list[str]:
    return [event["event"] for event in events(done)]


def test_an_apply_as_events(place: Place):
    done = place.reconciler("apply", "--yes", "--log-format", "json")
    told = events(done)
    steps = [event for event in told if event["event"] == "step"]
    order = [event["event"] for event in told if event["event"] not in ("step", "note")]
    assert order == ["plan", "apply-started", "finished"]
    started = next(event for event in told if event["event"] == "apply-started")
    assert started["steps"] == len(steps) == 45
    assert {event["result"] for event in steps} == {"applied"}
    assert told[0]["counts"]["create"] == 44
    finished = next(event for event in told if event["event"] == "finished")
    assert finished["complete"] is True
    assert finished["exit_code"] == 0
    assert finished["counts"] == {"applied": 45, "failed": 0, "blocked": 0}
    assert all(event["time"].endswith("+00:00") for event in told)
    assert "45 applied of 45 steps" in done.out


def test_a_refusal_as_an_event(place: Place):
    place.applied()
    place.edit("customers/acme.yaml", "plan: professional", "plan: starter")
    done = place.reconciler("apply", "--yes", "--log-format", "json", code=1)
    assert named(done) == ["plan", "failed"]
    [finding] = [each for each in events(done)[-1]["findings"] if each["code"] == "loss"]
    assert "--allow-loss" in finding["hint"]
    assert events(done)[-1]["exit_code"] == 1


def test_invalid_files_as_an_event_with_their_places(place: Place):
    place.write("wrong.yaml", "teams:\n  x:\n    plan: nowhere\n")
    for command in ("plan", "drift", "apply"):
        done = place.reconciler(command, "--log-format", "json", code=1)
        [failed] = events(done)
        assert failed["event"] == "failed"
        assert [(f["file"], f["line"], f["column"]) for f in failed["findings"]] == [
            ("config/wrong.yaml", 3, 11)
        ]


def test_a_mistake_on_the_command_line_is_an_event_too(place: Place):
    [failed] = events(
        place.reconciler("plan", "--log-format", "json", "--gateway", "nowhere", code=1)
    )
    assert failed["findings"][0]["code"] == "unknown-gateway"
    [failed] = events(
        place.reconciler("plan", "--log-format", "json", "--format", "nothing", code=1)
    )
    assert "nothing" in failed["message"] or "--format" in failed["message"]


def test_the_format_of_the_log_is_that_of_one_command_only(place: Place):
    place.reconciler("plan", "--log-format", "json")
    assert place.reconciler("plan").err == ""


def test_the_environment_may_choose_the_format_of_the_log(place: Place):
    place.environ["RECONCILER_LOG_FORMAT"] = "json"
    assert named(place.reconciler("plan")) == ["plan"]


def test_drift_as_an_event(place: Place):
    place.applied()
    done = place.reconciler("drift", "--quiet", "--log-format", "json")
    assert done.out == ""
    [event] = events(done)
    assert (event["event"], event["drifted"], event["unchanged"]) == ("drift", 0, 44)


def test_quiet_leaves_the_exit_code_and_errors(place: Place):
    done = place.reconciler("plan", "--quiet", "--exit-code", code=2)
    assert done.text == ""
    done = place.applied("--quiet")
    assert done.out == "45 applied of 45 steps.\n"
    assert done.err == "12 new virtual keys in config/.reconciler/keys-local.jsonl\n"
    assert (
        place.reconciler("apply", "--yes", "--quiet").text
        == "Nothing to do: the gateway is as declared.\n"
    )
    assert place.reconciler("drift", "--quiet").text == ""
    place.write("wrong.yaml", "teams: {x: {plan: nowhere}}\n")
    assert "dangling-reference" in place.reconciler("plan", "--quiet", code=1).err


def test_events_hold_no_secret(place: Place):
    place.environ["RECONCILER_VAR_PARAMETER"] = "hunter2-hunter2"
    place.edit(
        "models.yaml",
        "litellm_params: {",
        "litellm_params: {api_base: '${RECONCILER_VAR_PARAMETER}', ",
    )
    done = place.reconciler("apply", "--yes", "--log-format", "json")
    assert "hunter2" not in done.err


@pytest.mark.parametrize(
    ("environ", "terminal", "wanted"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
    ],
)
def test_when_there_is_colour(monkeypatch: pytest.MonkeyPatch, environ, terminal, wanted):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)

    class Stream:
        def isatty(self) -> bool:
            return terminal

    assert color(Stream()) is wanted


# Every command that prints for people, on a config with something to say.
COLOURED = (
    ("validate",),
    ("lint",),
    ("plan",),
    ("drift",),
    ("explain", "acme-prod", "gpt-4"),
    ("access",),
    ("history",),
    ("compare", "--from", "base", "--to", "prod"),
)


@pytest.mark.parametrize("arguments", COLOURED, ids=lambda arguments: arguments[0])
def test_colour_is_there_when_it_is_forced_and_never_with_no_color(
    place: Place, arguments: tuple[str, ...]
):
    place.write("environments/prod/teams.yaml", "teams:\n  acme-dev: {credits_allocated: 900}\n")
    place.applied("--quiet")
    place.edit("customers/acme.yaml", "team_alias: Development", "team_alias: Dev")
    place.environ["FORCE_COLOR"] = "1"
    assert "\x1b[" in place._run(arguments).text
    place.environ["NO_COLOR"] = "1"
    assert "\x1b" not in place._run(arguments).text


def test_errors_have_colour_by_the_same_rule(tmp_path, monkeypatch):
    place = company(tmp_path, teams="teams: {x: {plan: nowhere}}\n")
    place.environ["FORCE_COLOR"] = "1"
    assert "\x1b[" in place.reconciler("plan", code=1).err
    place.environ["NO_COLOR"] = "1"
    assert "\x1b" not in place.reconciler("plan", code=1).err
