"""Results of policy tests as JUnit XML, which CI systems show as tests."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from reconciler.core.model.printable import safe
from reconciler.core.rules.policy_cases import CaseResult

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
NO_FILE = "policies"


def render_junit(results: Iterable[CaseResult]) -> str:
    """A suite per file of cases, in the order in which they come, and one `testcase` per case.

    A case that went otherwise than expected has a `failure`, one that could not be run an `error`, each with its
    message. Times are left out: nobody measured them.
    """
    from xml.etree.ElementTree import Element, indent, tostring  # noqa: PLC0415  # only for this format

    suites: dict[str, list[CaseResult]] = {}
    for result in results:
        suites.setdefault(result.origin.file if result.origin else NO_FILE, []).append(result)
    every = [result for suite in suites.values() for result in suite]
    root = Element("testsuites", {"name": "policies"} | _counts(every))
    root.extend(_suite(file, suite) for file, suite in suites.items())
    indent(root)
    return DECLARATION + tostring(root, encoding="unicode") + "\n"


def _counts(results: Sequence[CaseResult]) -> dict[str, str]:
    sorts = [_sort(result) for result in results]
    return {
        "tests": str(len(results)),
        "failures": str(sorts.count("failure")),
        "errors": str(sorts.count("error")),
    }


def _sort(result: CaseResult) -> str:
    return "passed" if result.passed else "error" if result.actual == "error" else "failure"


def _suite(file: str, results: Sequence[CaseResult]) -> "Element":
    from xml.etree.ElementTree import Element  # noqa: PLC0415  # as above

    suite = Element("testsuite", {"name": safe(file)} | _counts(results))
    suite.extend(_case(file, result) for result in results)
    return suite


def _case(file: str, result: CaseResult) -> "Element":
    from xml.etree.ElementTree import Element, SubElement  # noqa: PLC0415  # as above

    about = {"name": safe(result.name), "classname": safe(result.policy or file)}
    place = (
        {"file": safe(result.origin.file), "line": str(result.origin.line)} if result.origin else {}
    )
    case = Element("testcase", about | place)
    if not result.passed:
        says = f"expected {result.expected}, got {result.actual}: {safe(result.detail)}"
        SubElement(case, _sort(result), message=says, type=result.actual).text = says
    return case
