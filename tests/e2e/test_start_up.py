"""What a command imports: nothing that it does not need, so that help is quick and a small job stays small."""

import os
import subprocess
import sys
from pathlib import Path

from e2e_world import ROOT, company
from saas_litellm import saas_double

HEAVY = frozenset(
    {
        "litellm",
        "fastapi",
        "uvicorn",
        "cel_expr_python",
        "prometheus_client",
        "psycopg",
        "alembic",
        "sqlalchemy",
        "aiohttp",
        "httpx",
        "pydantic",
        "rich",
        "yaml",
        "jsonschema",
        "jsonschema_rs",
        "deepdiff",
        "jinja2",
        "tenacity",
    }
)
FILES = frozenset({"pydantic", "yaml", "jsonschema_rs"})  # what reads and checks manifests
TEXT = frozenset({"rich"})
WIRE = frozenset({"aiohttp", "httpx", "tenacity", "rich"})  # httpx imports rich where it is there
LEDGER = frozenset({"sqlalchemy"})
# A command on a config without policies, and all of the heavy modules that it may import.
MAY_IMPORT = {
    "--help": frozenset(),
    "apply --help": frozenset(),
    "gateway serve --help": frozenset(),
    "schema manifest": frozenset({"pydantic"}),
    "prices show": frozenset({"pydantic"}),
    "validate": FILES | TEXT,
    "lint": FILES | TEXT,
    "history": FILES | TEXT | LEDGER,
    "plan": FILES | TEXT | LEDGER | WIRE,
    "apply --yes": FILES | TEXT | LEDGER | WIRE,
}
# The same on the embedded gateway in process, beyond that.
IN_PROCESS = frozenset({"fastapi", "jinja2"})
MANIFEST = """\
organizations: {org_a: {name: A}}
model_aliases: {gpt-4: {litellm_model: openai/gpt-4, description: Capable}}
access_groups: {all: {description: All, model_aliases: [gpt-4]}}
teams: {t: {organization_id: org_a, access_groups: [all]}}
"""
SAAS = "default_gateway: g\ngateways: {{g: {{backend: saas-litellm, url: '{url}', admin_key_env: KEY}}}}\n"
WATCH = """
import sys
from reconciler.cli import main
try:
    main(sys.argv[1:])
except SystemExit as left:
    assert not left.code, left.code
finally:
    print("\\nMODULES", *sorted({name.partition(".")[0] for name in sys.modules}))
"""


def imported(command: str, cwd: Path, **environ: str) -> frozenset[str]:
    """The heavy modules that a command had imported when it ended."""
    done = subprocess.run(
        [sys.executable, "-c", WATCH, *command.split()],
        cwd=cwd,
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return HEAVY & frozenset(done.stdout.rpartition("MODULES")[2].split())


def test_a_command_imports_no_more_than_it_needs(tmp_path):
    with saas_double() as double:
        place = company(tmp_path, SAAS.format(url=double.url), all=MANIFEST)
        found = {
            command: imported(command, place.directory, KEY=double.admin_key) - allowed
            for command, allowed in MAY_IMPORT.items()
        }
    assert found == dict.fromkeys(MAY_IMPORT, frozenset())


def test_on_the_embedded_gateway_neither_litellm_nor_a_server_is_imported(tmp_path):
    place = company(tmp_path, all=MANIFEST)
    assert imported("apply --yes", place.directory) <= MAY_IMPORT["apply --yes"] | IN_PROCESS
