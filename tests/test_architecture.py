"""The shape that the code promises: which way imports go, what the core may touch, sizes, complete registries."""

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from reconciler.cli import COMMANDS
from reconciler.cli.formats import BUILT_IN
from reconciler.core.model.inventory import Known
from reconciler.core.model.prices import NO_PRICES
from reconciler.core.model.settings import GatewaySettings
from reconciler.core.model.state import State
from reconciler.core.plan.make import Inputs, make_plan
from reconciler.core.plan.plan import Target
from reconciler.core.rules.lint import BY_CODE
from reconciler.core.rules.lint.rule import Rule
from reconciler.files.validate.schemas import stale_schemas
from reconciler.gateways import BACKENDS
from reconciler.gateways.saas.documented import DIALECT
from reconciler.render import FORMATS, Report

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "reconciler"
MODULES = sorted(PACKAGE.rglob("*.py"))

# Every part of the package, from the top down. A module may import from its own layer and from those below it.
# Within a layer, a part may know those of its own layer that BESIDE names. A part that is named nowhere is an error.
LAYERS = (
    {"__main__"},
    {"cli"},
    {"importing", "asking", "watch", "apply", "ci"},
    {"pipeline"},
    {"files", "gateways", "ledger", "render", "embedded"},
    {"system"},
    {"core"},
)
BESIDE = {
    ("files", "gateways"),  # which backends there are, and what each needs of the settings
    ("gateways", "embedded"),  # in process
    ("render", "ledger"),  # the history's records
}
# What the package itself offers: its version.
TOP = {"", "__version__"}
# The rooms of the core, from the top down.
CORE = ("imports", "rules", "explain", "plan", "access", "model")
LEVELS = {name: level for level, names in enumerate(LAYERS) for name in names}

IMPURE = {
    "aiohttp",
    "asyncio",
    "concurrent",
    "glob",
    "httpx",
    "io",
    "logging",
    "multiprocessing",
    "os",
    "pathlib",
    "random",
    "requests",
    "secrets",
    "shutil",
    "signal",
    "socket",
    "sqlalchemy",
    "sqlite3",
    "subprocess",
    "sys",
    "tempfile",
    "threading",
    "time",
    "urllib.request",
    "uuid",
    "yaml",
}
LINT = ("groups", "models", "plans", "teams")
LONGEST_MODULE = 300
LONGEST_FUNCTION = 30
SHARE_OF_SHORT_FUNCTIONS = 0.9


@cache
def tree(module: Path) -> ast.Module:
    return ast.parse(module.read_text(encoding="utf-8"))


def named(module: Path) -> str:
    return ".".join(module.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(module: Path) -> Iterator[str]:
    """Everything that the module imports, with names: `from a import b` is a.b."""
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{named(module)} imports relatively"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def part(name: str) -> str:
    """The part of the package that a module belongs to: `cli`, `core`, `apply`, ..."""
    return ([*name.split("."), ""])[1]


def level(name: str) -> int:
    """The layer of a module; 0 is the top. Raises KeyError for a part that no layer names."""
    return LEVELS[part(name)]


def code_lines(node: ast.AST, source: list[str]) -> int:
    """Lines with code: blank lines, comments and docstrings do not count."""
    first, last = getattr(node, "lineno", 1), getattr(node, "end_lineno", len(source))
    counted = {
        n
        for n in range(first, last + 1)
        if source[n - 1].strip() and not source[n - 1].lstrip().startswith("#")
    }
    for inner in ast.walk(node):
        if (
            isinstance(inner, ast.Expr)
            and isinstance(inner.value, ast.Constant)
            and isinstance(inner.value.value, str)
        ):
            counted -= set(range(inner.lineno, (inner.end_lineno or inner.lineno) + 1))
    return len(counted)


def test_imports_go_one_way():
    wrong = [
        f"{named(module)} -> {target}"
        for module in MODULES
        for target in imports(module)
        if target.startswith("reconciler.") and _goes_up(named(module), target)
    ]
    assert not wrong


def _goes_up(source: str, target: str) -> bool:
    if part(source) in TOP or part(target) in TOP:
        return False
    return level(target) < level(source)


def test_parts_of_one_level_do_not_know_each_other_but_where_that_is_their_point():
    wrong = {
        (part(named(module)), part(target))
        for module in MODULES
        for target in imports(module)
        if target.startswith("reconciler.")
        and part(named(module)) not in TOP
        and part(target) not in TOP
        and level(named(module)) == level(target)
    }
    assert {(a, b) for a, b in wrong if a != b} == BESIDE


def test_every_part_is_named():
    """A new module at the top is a decision about layers, and is written down as one."""
    parts = {
        path.stem
        for path in PACKAGE.iterdir()
        if path.suffix == ".py" or (path / "__init__.py").is_file()
    }
    assert parts - {"__init__"} == set(LEVELS)


def test_every_room_of_the_core_is_named():
    assert {
        path.name
        for path in (PACKAGE / "core").iterdir()
        if path.is_dir() and path.name != "__pycache__"
    } == set(CORE)
    assert [path.name for path in (PACKAGE / "core").glob("*.py")] == ["__init__.py"]


def test_the_rooms_of_the_core_open_one_way():
    def room(name: str) -> int:
        return CORE.index(name.split(".")[2])

    wrong = [
        f"{named(module)} -> {target}"
        for module in (PACKAGE / "core").rglob("*.py")
        for target in imports(module)
        if target.startswith("reconciler.core.") and room(target) < room(named(module))
    ]
    assert not wrong


def test_every_folder_is_a_package_that_says_what_it_is_about():
    folders = {module.parent for module in MODULES}
    assert not [
        str(folder) for folder in folders if ast.get_docstring(tree(folder / "__init__.py")) is None
    ]


def test_only_the_command_line_knows_click():
    assert {
        part(named(module))
        for module in MODULES
        for name in imports(module)
        if name.startswith("click")
    } == {"cli"}


def test_the_core_does_no_input_or_output_and_has_no_clock():
    wrong = [
        f"{named(module)} imports {target}"
        for module in (PACKAGE / "core").rglob("*.py")
        for target in imports(module)
        if IMPURE & {target.split(".")[0], ".".join(target.split(".")[:2])}
    ]
    assert not wrong


def test_the_core_calls_nothing_that_depends_on_the_moment_or_the_world():
    wrong = [
        f"{named(module)}:{node.lineno}"
        for module in (PACKAGE / "core").rglob("*.py")
        for node in ast.walk(tree(module))
        if isinstance(node, (ast.AsyncFunctionDef, ast.Await))
        or (
            isinstance(node, ast.Call)
            and ast.unparse(node.func).split(".")[-1] in {"now", "today", "utcnow"}
        )
        or (
            isinstance(node, ast.Call)
            and ast.unparse(node.func) in {"open", "print", "input", "exec", "eval"}
        )
    ]
    assert not wrong


def test_the_command_line_runs_coroutines_in_one_place():
    """`asyncio.run` formats what its task returns: a whole plan."""
    calling = {
        named(module)
        for module in (PACKAGE / "cli").rglob("*.py")
        for node in ast.walk(tree(module))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "asyncio.run"
    }
    assert calling == {"reconciler.cli.running"}


WRITING = {
    "write_text",
    "write_bytes",
    "mkdir",
    "makedirs",
    "mkstemp",
    "chmod",
    "fchmod",
    "symlink_to",
    "touch",
}


def test_only_one_module_writes_files():
    """So that modes, links, power cuts and full disks are thought of in one place."""
    found = {
        named(module)
        for module in MODULES
        for node in ast.walk(tree(module))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in WRITING
    }
    assert found == {"reconciler.system.disk"}


# Who may start programs: git on what a stranger may have prepared, and the command that the settings give for new keys.
STARTERS = {"reconciler.files.git": 1, "reconciler.apply.keys": 1}
STARTS = re.compile(
    r"(subprocess\.(run|call|check_call|check_output|Popen|getoutput|getstatusoutput)|create_subprocess_\w+"
    r"|os\.(system|popen|startfile|exec\w+|spawn\w+|posix_spawn\w*)|pty\.spawn)$"
)


def test_programs_are_started_in_two_places_and_git_in_one():
    """A second call of git would lack what keeps the first from running a repository's own programs."""
    found: dict[str, int] = {}
    for module in MODULES:
        for node in ast.walk(tree(module)):
            if isinstance(node, ast.Call) and STARTS.search(ast.unparse(node.func)):
                found[named(module)] = found.get(named(module), 0) + 1
    assert found == STARTERS
    knowing = {
        named(m)
        for m in MODULES
        for name in imports(m)
        if name.split(".")[0] in {"subprocess", "pty", "git"}
    }
    assert knowing == {"reconciler.files.git"}
    words = {
        named(module)
        for module in MODULES
        for node in ast.walk(tree(module))
        if isinstance(node, ast.Constant) and node.value == "git"
    }
    assert words == {"reconciler.files.git"}


def test_litellm_is_imported_only_by_the_embedded_gateways_call_path():
    found = {
        named(module)
        for module in MODULES
        for target in imports(module)
        if target.split(".")[0] == "litellm"
    }
    assert all(name.startswith("reconciler.embedded.") for name in found), found


def test_modules_are_short():
    sizes = {
        named(m): code_lines(tree(m), m.read_text(encoding="utf-8").splitlines()) for m in MODULES
    }
    assert not {name for name, size in sizes.items() if size > LONGEST_MODULE}


def test_functions_are_short():
    lengths = [
        code_lines(node, module.read_text(encoding="utf-8").splitlines())
        for module in MODULES
        for node in ast.walk(tree(module))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]
    short = sum(length < LONGEST_FUNCTION for length in lengths)
    assert short / len(lengths) >= SHARE_OF_SHORT_FUNCTIONS


@pytest.mark.parametrize("word", ["utils", "helpers", "common", "manager", "misc", "engine"])
def test_no_module_is_called_nothing_in_particular(word):
    assert not [named(module) for module in MODULES if word in module.stem]


CITED = re.compile(r"\bcontracts?/|\bcontract(?: section)? \d|\bresearch/|\bshared/")


def test_nobody_cites_a_document_that_is_not_in_this_repository():
    """A reader cannot open it: the server's own file, or what was observed, says as much."""
    sources = [*MODULES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]
    cited = [
        f"{source.relative_to(ROOT)}:{number}"
        for source in sources
        if source != Path(__file__)
        for number, line in enumerate(source.read_text(encoding="utf-8").splitlines(), start=1)
        if CITED.search(line)
    ]
    assert cited == []


# ---- registries


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_its_module_and_its_help(name):
    module, text = COMMANDS[name]
    assert find_spec(f"reconciler.cli.commands.{module}"), (
        f"COMMANDS names {name}, but reconciler/cli/commands/{module}.py is missing"
    )
    command = import_module(f"reconciler.cli.commands.{module}").command
    assert command.help
    assert text.endswith(".")


def test_every_command_module_is_registered():
    known = {module for module, _ in COMMANDS.values()}
    with_command = {
        module.stem
        for module in (PACKAGE / "cli" / "commands").glob("*.py")
        for node in tree(module).body
        if isinstance(node, ast.FunctionDef) and node.name == "command"
    }
    assert with_command == known


def test_what_help_says_of_formats_is_what_there_is():
    assert {row.name: row.ending for row in FORMATS.values()} == BUILT_IN


def test_every_lint_rule_is_listed():
    modules = [import_module(f"reconciler.core.rules.lint.{name}") for name in LINT]
    made = {
        value.code: value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, Rule)
    }
    assert made == BY_CODE


# SARIF tells findings, not the gateway.
@pytest.mark.parametrize("name", [name for name in FORMATS if name != "sarif"])
def test_every_format_renders_a_plan(name):
    target = Target("local", "embedded example", "embedded")
    inputs = Inputs(
        target=target, desired=State(), live=State(), known=Known(), support=DIALECT.support
    )
    assert "example" in FORMATS[name].render(Report(make_plan(inputs)))


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_backend_has_its_module_and_its_rules(backend):
    row = BACKENDS[backend]
    assert callable(import_module(row.module).opened)
    assert row.rules(NO_PRICES).name


def test_editors_offer_every_backend():
    schema = GatewaySettings.model_json_schema()["properties"]["backend"]
    assert schema["examples"] == list(BACKENDS)


def test_no_module_outside_of_gateways_compares_a_backends_name():
    """What depends on a backend is a column of its row; a comparison would be one more place to know its name."""
    wrong = [
        f"{named(module)}:{node.lineno}"
        for module in MODULES
        if part(named(module)) != "gateways"
        for node in ast.walk(tree(module))
        for words in [_compared(node)]
        if words & BACKENDS.keys()
    ]
    assert not wrong


def _compared(node: ast.AST) -> set[str]:
    """The texts that a comparison or a `match` names, and the keys of a table of several backends."""
    table = isinstance(node, ast.Dict)
    if isinstance(node, ast.Compare):
        parts = [node.left, *node.comparators]
    elif isinstance(node, ast.MatchValue):
        parts = [node.value]
    else:
        parts = [key for key in node.keys if key] if isinstance(node, ast.Dict) else []
    texts = {
        inner.value
        for each in parts
        for inner in ast.walk(each)
        if isinstance(inner, ast.Constant) and isinstance(inner.value, str)
    }
    return set() if table and len(texts & BACKENDS.keys()) == 1 else texts


def test_committed_schemas_are_fresh():
    assert stale_schemas(ROOT / "schemas") == ()


# ---- the repository


def tracked() -> list[Path]:
    """The files of the repository; without git (an unpacked archive) those of its known folders."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode == 0 and listed.stdout:
        return [
            ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()
        ]
    folders = ("reconciler", "tests", "config", "schemas", "benchmarks", ".github", ".ci")
    return [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()]


def test_no_file_names_a_place_on_somebodys_machine():
    private = re.compile(r"(?<![\w.~-])/(?:work|root|home|Users)/[\w.-]+")
    wrong = [
        f"{path.relative_to(ROOT)}: {found[0]}"
        for path in tracked()
        if path != Path(__file__) and "__pycache__" not in path.parts
        for found in [private.search(path.read_text(encoding="utf-8", errors="replace"))]
        if found
    ]
    assert not wrong


def test_the_package_says_that_it_is_typed():
    assert (PACKAGE / "py.typed").is_file()


def test_the_path_of_a_value_has_one_name():
    spelled = [named(m) for m in MODULES if "tuple[str | int, ...]" in m.read_text("utf-8")]
    assert spelled == ["reconciler.core.model.refs"]


NAMED = re.compile(rf"`((?:{'|'.join(sorted(LEVELS))})(?:\.\w+)+)`")


def test_every_module_that_a_text_names_is_there():
    """`core.plan.safety.FLAGS` in a docstring or a comment is where a reader goes next."""
    wrong = [
        f"{named(module)}: {name}"
        for module in MODULES
        for name in NAMED.findall(module.read_text(encoding="utf-8"))
        if not _exists(name)
    ]
    assert not wrong


def _exists(name: str) -> bool:
    """Whether it is a module of the package, or something in one."""
    path = PACKAGE.joinpath(*name.split("."))
    if path.with_suffix(".py").is_file() or path.is_dir():
        return True
    module, _, attribute = name.rpartition(".")
    file = PACKAGE.joinpath(*module.split("."))
    file = file / "__init__.py" if file.is_dir() else file.with_suffix(".py")
    return file.is_file() and re.search(rf"\b{attribute}\b", file.read_text("utf-8")) is not None
