"""What apply refuses unasked: each danger has its own flag, and the flag allows just that."""

import pytest
from e2e_world import Place, company, content

SETTINGS = "gateways: {embedded: {backend: embedded}}\n"
FLAGS = (
    "--allow-loss",
    "--allow-updates",
    "--allow-deletes",
    "--allow-empty",
    "--allow-protected",
    "--allow-cascade",
)


def organizations(count: int, name: str = "Customer", **more: str) -> str:
    lines = [
        f"  org_{n:02}: {{name: {name} {n}{more.get(f'org_{n:02}', '')}}}" for n in range(count)
    ]
    return "\n".join(["organizations:", *lines, ""])


def applied(directory, text: str) -> Place:
    place = company(directory, SETTINGS, all=text)
    place.applied()
    return place


def refused_but_for(place: Place, *flags: str) -> None:
    """Without any of the flags apply is refused, nothing changes and the flag is named; with them it goes through."""
    before = content(place.database)
    others = [flag for flag in FLAGS if flag not in flags]
    for missing in flags:
        given = [*others, *(flag for flag in flags if flag != missing)]
        done = place.reconciler("apply", "--yes", *given, code=1)
        assert missing in done.err
        assert [flag for flag in FLAGS if flag in done.err] == [missing]
        assert content(place.database) == before
    assert all(flag in place.reconciler("plan").out for flag in flags)
    place.applied(*flags)
    place.settled()


def test_updating_more_than_thirty_per_cent_of_a_kind(tmp_path):
    place = applied(tmp_path, organizations(20))
    text = organizations(20)
    for n in range(7):
        text = text.replace(f"{{name: Customer {n}}}", f"{{name: Renamed {n}}}")
    place.write("all.yaml", text)
    refused_but_for(place, "--allow-updates")


def test_thirty_per_cent_is_not_more_than_thirty_per_cent(tmp_path):
    place = applied(tmp_path, organizations(20))
    text = organizations(20)
    for n in range(6):
        text = text.replace(f"{{name: Customer {n}}}", f"{{name: Renamed {n}}}")
    place.write("all.yaml", text)
    place.applied()


def test_deleting_more_than_thirty_per_cent_of_a_kind(tmp_path):
    place = applied(tmp_path, organizations(20))
    place.write("all.yaml", organizations(13))
    refused_but_for(place, "--allow-deletes")


def test_kinds_with_few_objects_are_exempt(tmp_path):
    place = applied(tmp_path, organizations(10))
    place.write("all.yaml", organizations(1))
    place.applied()


def test_the_limits_are_settings(tmp_path):
    place = applied(tmp_path, organizations(20))
    place.write("all.yaml", organizations(19))
    place.write("reconciler.yaml", SETTINGS + "safety: {max_delete_percent: 0, min_objects: 0}\n")
    refused_but_for(place, "--allow-deletes")


def test_an_empty_config(tmp_path):
    place = applied(tmp_path, organizations(3))
    place.declare_nothing()
    refused_but_for(place, "--allow-empty")


def test_an_object_that_was_declared_with_protect(tmp_path):
    text = "organizations:\n  org_a: {name: A, protect: true}\n  org_b: {name: B}\n"
    place = applied(tmp_path, text)
    place.write("all.yaml", "organizations:\n  org_b: {name: B}\n")
    refused_but_for(place, "--allow-protected")


def test_access_that_a_team_would_lose(tmp_path):
    text = """
model_aliases: {gpt-4: {litellm_model: openai/gpt-4}, gpt-3.5-turbo: {litellm_model: openai/gpt-3.5-turbo}}
access_groups: {basic: {model_aliases: [gpt-3.5-turbo]}, pro: {model_aliases: [gpt-4, gpt-3.5-turbo]}}
organizations: {org_a: {name: A}}
teams: {a-prod: {organization_id: org_a, access_groups: [basic, pro]}}
"""
    place = applied(tmp_path, text)
    place.write("all.yaml", text.replace("[basic, pro]", "[pro]"))
    place.applied()  # every model stays reachable by the other group: no loss
    place.write("all.yaml", text.replace("[basic, pro]", "[basic]"))
    refused_but_for(place, "--allow-loss")


def test_several_dangers_need_each_its_flag(tmp_path):
    place = applied(
        tmp_path, organizations(20).replace("{name: Customer 19}", "{name: Last, protect: true}")
    )
    place.write("all.yaml", organizations(5))
    refused_but_for(place, "--allow-deletes", "--allow-protected")


@pytest.mark.parametrize("flag", FLAGS)
def test_every_flag_is_in_the_help(flag, tmp_path):
    assert flag in Place(tmp_path).reconciler("apply", "--help").out
