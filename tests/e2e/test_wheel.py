"""Built as a wheel and installed outside of the checkout, the product works, and what it brings is small."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest
from e2e_world import ROOT
from fuzz_gateway import canned_proxy, served

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # the registry may be slow, too


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that the checkout stays as it is."""
    source = tmp_path_factory.mktemp("source") / "checkout"
    left_out = shutil.ignore_patterns(
        ".git", ".venv", ".*_cache", "__pycache__", ".reconciler", "tests"
    )
    shutil.copytree(ROOT, source, ignore=left_out)
    target = tmp_path_factory.mktemp("wheel")
    isolation = (
        ["--no-build-isolation"] if find_spec("hatchling") else []
    )  # else pip fetches the build backend
    run(
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        ".",
        "--no-deps",
        *isolation,
        "-w",
        str(target),
        cwd=source,
    )
    (built,) = target.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with nothing but the wheel; the dependencies are seen through a .pth file."""
    home = tmp_path_factory.mktemp("venv")
    venv.create(home, with_pip=False)
    run(
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(home),
        "install",
        "-q",
        "--no-deps",
        str(wheel),
        cwd=home,
    )
    (packages,) = home.glob("lib/python*/site-packages")
    dependencies = tmp_path_factory.mktemp("dependencies")
    for each in Path(sysconfig.get_paths()["purelib"]).iterdir():
        if "reconciler" not in each.name and each.suffix != ".pth":
            (dependencies / each.name).symlink_to(each)
    (packages / "dependencies.pth").write_text(f"{dependencies}\n", encoding="utf-8")
    return home / "bin" / "reconciler"


def run(*command: str, cwd: Path, **variables: str) -> str:
    environ = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "RECONCILER_CONFIG")}
    environ |= variables
    done = subprocess.run(
        command, cwd=cwd, env=environ, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_schemas_starter_and_migrations_are_inside(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    for wanted in (
        "_data/schemas/manifest.schema.json",
        "cli/starter/plans.yaml",
        "cli/starter/gitignore",
        "py.typed",
        "files/prices/litellm.json",
    ):
        assert f"reconciler/{wanted}" in names
    assert any(name.startswith("reconciler/ledger/migrations/format_") for name in names)
    assert not [name for name in names if name.startswith(("tests/", "config/"))]


def test_init_and_apply_work_outside_of_the_checkout(installed, tmp_path):
    where = run(
        str(installed.parent / "python"),
        "-c",
        "import reconciler; print(reconciler.__file__)",
        cwd=tmp_path,
    )
    assert where.startswith(str(installed.parents[1]))
    run(str(installed), "init", cwd=tmp_path)
    assert "applied" in run(str(installed), "apply", "--yes", cwd=tmp_path)
    assert "No changes" in run(str(installed), "plan", "--exit-code", cwd=tmp_path)
    run(str(installed), "schema", "--check", "config/schemas", cwd=tmp_path)


# ---- the core alone, with all that it brings

MOST_DISTRIBUTIONS, MOST_MEGABYTES = 40, 100
NOT_IN_THE_CORE = {
    "litellm",
    "fastapi",
    "uvicorn",
    "cel-expr-python",
    "prometheus-client",
    "psycopg",
}
PROXY = (
    "default_gateway: p\ngateways: {{p: {{backend: litellm, url: '{url}', admin_key_env: KEY}}}}\n"
)
MANIFEST = """\
model_aliases: {new: {litellm_model: openai/gpt-5, description: New}}
access_groups: {cheap: {description: By price, select: {max_price_output: 100}}}
"""


@pytest.fixture(scope="module")
def core(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with what `pip install llm-reconciler` puts there, from the package registry."""
    home = tmp_path_factory.mktemp("core")
    venv.create(home, with_pip=False)
    pip = (sys.executable, "-m", "pip", "--python", str(home))
    run(*pip, "install", "-q", str(wheel), cwd=home)
    return home


def test_the_core_is_small(core):
    listed = run(
        sys.executable, "-m", "pip", "--python", str(core), "list", "--format=json", cwd=core
    )
    names = {each["name"].lower() for each in json.loads(listed)}
    (packages,) = core.glob("lib/python*/site-packages")
    files = (file for file in packages.rglob("*") if file.is_file() and not file.is_symlink())
    megabytes = sum(file.stat().st_size for file in files) / (1 << 20)
    print(f"{len(names)} distributions, {megabytes:.0f} MB: {', '.join(sorted(names))}")
    assert not NOT_IN_THE_CORE & names
    assert len(names) <= MOST_DISTRIBUTIONS
    assert megabytes <= MOST_MEGABYTES


def test_the_core_plans_against_a_litellm_proxy(core, tmp_path):
    with served(canned_proxy) as proxy:
        config = tmp_path / "config"
        config.mkdir()
        (config / "reconciler.yaml").write_text(PROXY.format(url=proxy.url))
        (config / "all.yaml").write_text(MANIFEST)
        reconciler = str(core / "bin" / "reconciler")
        assert run(reconciler, "validate", cwd=tmp_path) == "no findings\n"
        report = json.loads(
            run(reconciler, "plan", "--format", "json", cwd=tmp_path, KEY="sk-1234")
        )
        assert "this needs" not in run(reconciler, "drift", cwd=tmp_path, KEY="sk-1234")
    refs = {change["ref"] for change in report["changes"]}
    assert {"model_alias/new", "access_group/cheap"} <= refs
    assert report["prices"]["version"].startswith("litellm ")
    assert {method for method, _ in proxy.seen} == {"GET"}
