"""Hostile texts in every place that others write: no output steers a terminal, hides something or gains markup."""

import json
import re
import sqlite3
import unicodedata
from contextlib import closing
from pathlib import Path

import pytest
from e2e_world import Place, company
from echoing import echoing

HOSTILE = {
    "title": "\x1b]0;owned\x07",
    "colour": "\x1b[31mred\x1b[0m",
    "carriage": "fine\rFAKE",
    "lines": "a\nb\r\nc",
    "backspace": "rm\b\bok",
    "c1": "\x9b31mred\x9d0;x\x9c",
    "bidi": "abc\u202egpj.exe\u2066x",
    "right to left": "שלום\u200fabc",
    "zero width": "a\u200bb\u200d\ufeffc",
    "invisible": "a\u3164b\u115fc\u2800d",
    "separators": "a\u2028b\u2029c\x85d",
    "html": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "attribute": "\"' onmouseover='alert(1)",
    "markdown": "](http://evil.example) | ``` </details> @admin",
    "github": "::error::owned%0A::add-mask::x",
    "old github": "##[error]owned",
    "encoded": "%0A::error::x%0D",
    "long": "x" * 255,
    "formula": "=cmd|' /C calc'!A0",
    "delete": "a\x7fb",
    "template": "{{7*7}}${X}{%x%}",
    "cdata": "]]><x/>&amp;&#27;",
}
SETTINGS = "default_gateway: g\ngateways:\n  g:\n    backend: saas-litellm\n    url: {url}\n    admin_key_env: KEY\n"
FORMS = ("text", "json", "markdown", "html")
COMMANDS = [
    *(("validate", "--format", form) for form in ("text", "json", "sarif", "github")),
    *(("plan", "--full", "--format", form) for form in FORMS),
    (
        "plan",
        "--out",
        "p.json",
        "--report",
        "r.html",
        "--report",
        "r.md",
        "--report",
        "r.json",
        "--report",
        "r.sarif",
    ),
    ("apply", "--yes"),
    ("apply", "--yes", "--log-format", "json"),
    *(("drift", "--full", "--format", form) for form in ("text", "json", "markdown")),
    *(("show", kind, "{name}") for kind in ("team", "model_alias")),
    *(("explain", "{name}", "{name}", *form) for form in ((), ("--format", "json"))),
    *(("access", "--live", "--format", form) for form in ("text", "json", "csv")),
    ("lint", "--format", "text"),
    ("import", "--update", "--dry-run"),
    ("import", "--out", "again"),
    ("history",),
    ("history", "show", "1"),
    ("plan", "--only", "{name}"),
    ("plan", "--gateway", "{name}"),
    ("list", "teams", "--live"),
    ("list", "--foreign"),
    ("show", "team", "{name}", "--format", "json"),
    ("history", "show", "1", "--format", "json"),
]
LEAN = [COMMANDS[at] for at in (0, 2, 3, 4, 5, 6, 7, 9, 11, 14)]
LEAN_TEXTS = ("title", "bidi", "html", "github", "lines")
STEERING = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def in_yaml(text: str) -> str:
    return json.dumps(text).replace("${", "$${")  # which reads as itself


def place_with(directory: Path, url: str, hostile: str) -> Place:
    """A config in which the text is the name of something, a value, a key, and a file's name."""
    name = in_yaml(hostile)
    place = company(
        directory,
        SETTINGS.format(url=url),
        aliases=f"model_aliases:\n  {name}: {{litellm_model: {name}, description: {name}}}\n  gpt: {{litellm_model: openai/gpt-4o, description: {name}, display_name: {name}}}\n",
        groups=f"organizations:\n  o: {{name: {name}, metadata: {{{name}: {name}}}}}\naccess_groups:\n  g: {{model_aliases: [gpt, {name}]}}\n",
        teams=f"teams:\n  t: {{organization_id: o, access_groups: [g], team_alias: {name}, metadata: {{{name}: [{name}]}}, labels: {{{name}: {name}}}}}\n  {name}: {{organization_id: {name}, {name}: {name}}}\n",
    )
    short = hostile.replace("/", "_")[:200]
    (place.config / f"{short}.yaml").write_text("nonsense: [\n")
    place.environ["KEY"] = "admin-key"
    return place


def valid_place(directory: Path, url: str, hostile: str) -> Place:
    """The same in the fields alone, so that the config is valid and gets applied."""
    name = in_yaml(hostile[:200])
    place = company(
        directory,
        SETTINGS.format(url=url),
        aliases=f"model_aliases:\n  gpt: {{litellm_model: openai/gpt-4o, description: {name}, display_name: {name}, litellm_params: {{{name}: {name}}}}}\n",
        groups=f"organizations:\n  o: {{name: {name}, metadata: {{{name}: {name}}}}}\naccess_groups:\n  g: {{model_aliases: [gpt], description: {name}}}\n",
        teams=f"teams:\n  t: {{organization_id: o, access_groups: [g], team_alias: {name}, metadata: {{{name}: [{name}]}}}}\n",
    )
    place.environ["KEY"] = "admin-key"
    return place


def plant_live(database: Path, hostile: str) -> None:
    """Foreign objects of that name on the gateway, and the text in what is ours there."""
    with closing(sqlite3.connect(database)) as db:
        for table in ("organizations", "model_aliases", "access_groups", "teams"):
            columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
            rows = db.execute(f"SELECT * FROM {table} LIMIT 1").fetchall()
            for row in rows:
                copy = [
                    hostile
                    if name == columns[0]
                    else f"{value}{hostile}"
                    if name in ("name", "description", "team_alias", "key_hash")
                    else value
                    for name, value in zip(columns, row, strict=True)
                ]
                db.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(columns))})", copy)
            if "description" in columns:
                db.execute(f"UPDATE {table} SET description = ?", [hostile])
        db.commit()


def wrongs(text: str, *, form: str) -> list[str]:
    """What in an output steers, hides, or is markup of somebody else's."""
    found = sorted(
        {
            f"{ord(char):#x}"
            for char in text
            if unicodedata.category(char) in STEERING and char != "\n"
        }
    )
    found += [f"invisible {ord(char):#x}" for char in text if char in "\u3164\u115f\u2800"]
    if form != "github":
        found += [
            f"command: {line[:40]}"
            for line in text.split("\n")
            if line.strip().startswith("::") or "##[" in line
        ]
    if form == "html":
        found += re.findall(r"<script>alert|<img src=x|onmouseover='alert(?=[^<]*>)", text)
    if form == "markdown":
        outside = re.sub(r"(?ms)^(`{3,})\w*\n.*?^\1$", "", text)
        found += re.findall(r"<script|<img|\]\(http|@admin", outside)
    if form == "github":
        found += [
            line
            for line in text.split("\n")
            if line and not re.match(r"(::(error|warning|notice) [^:]*::|\d|no findings)", line)
        ]
    return found


def form_of(args: tuple[str, ...]) -> str:
    return args[args.index("--format") + 1] if "--format" in args else "text"


def judged(
    place: Place, commands: list[tuple[str, ...]], hostile: str
) -> list[tuple[str, list[str]]]:
    """Every command with what is wrong with its output, and every file that was written."""
    told = []
    for command in commands:
        args = tuple(arg.format(name=hostile) if arg == "{name}" else arg for arg in command)
        done = place.reconciler(*args, code=None)
        told += [
            (" ".join(command), wrongs(done.out, form=form_of(command))),
            (f"{command[0]}: stderr", wrongs(done.err, form="text")),
        ]
        if "json" in form_of(command) and done.out:
            json.loads(done.out)
    forms = {".html": "html", ".md": "markdown", ".json": "json", ".sarif": "json"}
    files = [file for file in place.directory.iterdir() if file.suffix in forms and file.is_file()]
    told += [(file.name, wrongs(file.read_text(), form=forms[file.suffix])) for file in files]
    return [(where, wrong) for where, wrong in told if wrong]


def every(chosen: tuple[str, ...]) -> list:
    return [
        pytest.param(name, marks=() if name in chosen else pytest.mark.slow) for name in HOSTILE
    ]


@pytest.mark.parametrize("name", every(LEAN_TEXTS))
def test_names_and_values_of_the_manifests(tmp_path, name):
    with echoing(tmp_path / "gateway.db", "admin-key") as (url, _):
        place = place_with(tmp_path / "work", url, HOSTILE[name])
        commands = LEAN if name in LEAN_TEXTS else COMMANDS
        assert judged(place, commands, HOSTILE[name]) == []


@pytest.mark.parametrize("name", every(LEAN_TEXTS[:3]))
def test_live_objects_and_what_is_applied(tmp_path, name):
    with echoing(tmp_path / "gateway.db", "admin-key") as (url, _):
        place = valid_place(tmp_path / "work", url, HOSTILE[name])
        assert "applied" in place.reconciler("apply", "--yes", code=None).text
        plant_live(tmp_path / "gateway.db", HOSTILE[name])
        commands = LEAN if name in LEAN_TEXTS else COMMANDS
        assert judged(place, commands, HOSTILE[name]) == []


@pytest.mark.parametrize("name", every(LEAN_TEXTS[:2]))
def test_errors_of_the_gateway(tmp_path, name):
    """In an error of a read, of a write, and in the reason phrase's place; in the ledger's history, too."""
    hostile = HOSTILE[name]
    with echoing(tmp_path / "gateway.db", "admin-key") as (url, front):
        place = valid_place(tmp_path / "work", url, "fine")
        front.quote = lambda *_: (
            422,
            "application/json",
            json.dumps({"detail": f"no {hostile}"}).encode(),
        )
        commands = [
            ("plan",),
            ("apply", "--yes"),
            ("apply", "--yes", "--log-format", "json"),
            ("history", "show", "1"),
        ]
        for method in ("POST", "GET"):
            front.wrong = lambda asked, _path, method=method: asked == method
            assert judged(place, commands, hostile) == []


def test_the_law_would_see_them():
    for name in (
        "title",
        "carriage",
        "c1",
        "bidi",
        "zero width",
        "invisible",
        "separators",
        "delete",
        "github",
        "old github",
    ):
        assert wrongs(HOSTILE[name], form="text"), name
    assert wrongs(HOSTILE["html"], form="html")
    assert wrongs(HOSTILE["markdown"], form="markdown")
