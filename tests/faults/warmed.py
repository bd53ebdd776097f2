"""Imported by the fork server alone: what every command computes once per process is computed before the first fork."""

from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

from reconciler.cli import main

COMPANY = """\
organizations: {o: {name: O}}
model_aliases: {m: {litellm_model: openai/gpt-4}}
access_groups: {g: {model_aliases: [m]}}
plans: {p: {access_groups: [g]}}
teams: {t: {organization_id: o, plan: p}}
"""
SETTINGS = "default_gateway: g\ngateways: {g: {backend: embedded}}\n"

with TemporaryDirectory() as directory, redirect_stdout(StringIO()):
    Path(directory, "reconciler.yaml").write_text(SETTINGS, encoding="utf-8")
    Path(directory, "all.yaml").write_text(COMPANY, encoding="utf-8")
    try:
        main(["validate", "--config", directory])
    except SystemExit as left:
        assert not left.code, left.code
