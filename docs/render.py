"""Fills the reference pages from the data and the code, so that they cannot differ from them.

A line ``<!-- render: NAME -->`` in a page is replaced by what the function of
that name returns. MkDocs calls `on_page_markdown`; see ``hooks`` in mkdocs.yml.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from pygments.formatters import HtmlFormatter

from pytest_eventstore import gates, options, ports
from pytest_eventstore.report import json_
from pytest_eventstore.report.model import RESULT_MEANINGS, Verdict
from pytest_eventstore.report.wording import next_step
from pytest_eventstore.requirements import TIERS, Requirement, contract_version, load_requirements

HERE = Path(__file__).parent
_MARK = re.compile(r"^<!-- render: (\w+) -->$", re.MULTILINE)
_INCLUDE = re.compile(r"^<!-- include: (\S+) as (\w+) -->$", re.MULTILINE)
_TITLE = re.compile(r'^```(\w+) title="(.+)"$', re.MULTILINE)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace every mark and every inclusion in a page, and put titles above their blocks."""
    markdown = _MARK.sub(lambda match: "\n".join(RENDERERS[match[1]]()), markdown)
    markdown = _INCLUDE.sub(lambda match: _included(match[1], match[2]), markdown)
    return _TITLE.sub(r"`\2`{ .file }\n\n```\1", markdown)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the colours of code, for light and for dark pages."""
    rules = [HtmlFormatter(style="default", cssclass="codehilite").get_style_defs()]
    dark = HtmlFormatter(style="github-dark", cssclass="codehilite")
    rules.append(dark.get_style_defs("[data-bs-theme=dark] .codehilite"))
    rules.append(".file { font-weight: 600; }")
    files.append(File.generated(config, "theme/code.css", content="\n".join(rules)))
    return files


def _included(name: str, language: str) -> str:
    text = (HERE / name).read_text(encoding="utf-8").rstrip()
    return f"`{Path(name).name}`{{ .file }}\n\n```{language}\n{text}\n```"


def contract() -> Iterator[str]:
    """Yield every requirement with its rationale, test, mutants and bugs."""
    mutants, bugs = _mutants(), _bugs()
    yield f"Version {contract_version()}: {len(load_requirements())} requirements."
    part = ""
    for requirement in load_requirements().values():
        if requirement.part != part:
            part = requirement.part
            yield f"\n## {part}\n"
        yield from _requirement(requirement, mutants[requirement.id], bugs[requirement.id])


def _requirement(
    requirement: Requirement, mutants: list[str], bugs: list[dict[str, str]]
) -> Iterator[str]:
    yield f"\n### {requirement.id} {{ #{requirement.id} }}\n"
    yield f"**{requirement.level.upper()}**, {TIERS[requirement.tier]}, `{requirement.port}`"
    yield f"\n{requirement.statement}\n"
    yield f"*Why.* {requirement.rationale}\n"
    yield f"*How it is tested.* {requirement.how}\n"
    yield f"*What breaks it.* {requirement.breaks}\n"
    for bug in bugs:
        repository, _, number = bug["where"].partition("#")
        address = f"https://github.com/{repository}/issues/{number}"
        yield f"*Seen in the wild.* {bug['what']} [{bug['where']}]({address})\n"
    if mutants:
        names = ", ".join(f"`{name}`" for name in mutants)
        yield f"*Proven by the faulty adapters* {names}, which this requirement must reject.\n"


def _mutants() -> defaultdict[str, list[str]]:
    """Return the names of the faulty adapters by the requirement that must catch them."""
    tests = str(HERE.parent / "tests")
    if tests not in sys.path:
        sys.path.insert(0, tests)
    from mutants.registry import all_mutants

    found: defaultdict[str, list[str]] = defaultdict(list)
    for mutant in all_mutants():
        found[mutant.fails].append(mutant.name)
    return found


def _bugs() -> defaultdict[str, list[dict[str, str]]]:
    found: defaultdict[str, list[dict[str, str]]] = defaultdict(list)
    for bug in tomllib.loads((HERE / "bugs.toml").read_text(encoding="utf-8"))["bug"]:
        found[bug["requirement"]].append(bug)
    return found


def option_list() -> Iterator[str]:
    """Yield every option of the command line."""
    collected: list[tuple[str, dict[str, Any]]] = []

    class Group:
        def addoption(self, name: str, **keywords: Any) -> None:
            collected.append((name, keywords))

    class Parser:
        def getgroup(self, *_: str) -> Group:
            return Group()

    options.add_options(Parser())  # type: ignore[arg-type]
    for name, keywords in collected:
        value = f" {keywords['metavar']}" if "metavar" in keywords else ""
        yield f"`{name}{value}`\n:   {keywords['help']}\n"


def exit_statuses() -> Iterator[str]:
    """Yield the table in the docstring of `gates`."""
    assert gates.__doc__ is not None
    rows: list[list[str]] = []
    for line in gates.__doc__.partition("======")[2].splitlines():
        if found := re.match(r"(\d) {6}(.+)", line):
            rows.append([found[1], found[2]])
        elif rows and re.match(r" {7}\S", line):
            rows[-1][1] += " " + line.strip()
    assert len(rows) == 9, "an exit status is missing from the table"
    yield "| status | meaning |\n|---|---|"
    for status, meaning in rows:
        yield f"| {status} | {meaning} |"


def results() -> Iterator[str]:
    """Yield what each result means."""
    yield "| result | meaning |\n|---|---|"
    for result, meaning in RESULT_MEANINGS.items():
        yield f"| {result} | {meaning} |"


def verdicts() -> Iterator[str]:
    """Yield what each verdict means, worst first."""
    yield "| verdict | meaning |\n|---|---|"
    for verdict in Verdict:
        yield f"| {verdict} | {next_step(verdict)} |"


def port_list() -> Iterator[str]:
    """Yield every public class of `ports` with its methods."""
    for name, cls in vars(ports).items():
        if name.startswith("_") or not inspect.isclass(cls) or cls.__module__ != ports.__name__:
            continue
        yield f"\n## {name} {{ #{name} }}\n"
        if issubclass(cls, Exception):
            yield f"Base: {', '.join(f'`{base.__name__}`' for base in cls.__bases__)}\n"
        yield from _docstring(cls)
        if issubclass(cls, Exception):
            continue
        for method, function in vars(cls).items():
            if method.startswith("_") or not (
                inspect.isfunction(function) or isinstance(function, classmethod)
            ):
                continue
            signature = inspect.signature(getattr(cls, method))
            yield f"\n### `{method}{signature}` {{ #{name}.{method} }}\n"
            yield from _docstring(getattr(cls, method))


def _docstring(documented: Any) -> Iterator[str]:
    """Yield a docstring as Markdown: sections become lists."""
    in_section = False
    for line in (inspect.getdoc(documented) or "").splitlines():
        text = line.replace("``", "`")
        if re.fullmatch(r"(Args|Raises):", text):
            in_section = True
            yield f"*{text}*\n"
        elif in_section and (found := re.match(r" {4}(\w+): (.*)", text)):
            yield f"- `{found[1]}`: {found[2]}"
        elif in_section and text.strip():
            yield f"  {text.strip()}"
        else:
            yield text


def report_schema() -> Iterator[str]:
    """Yield the schema of the JSON report, a table for each object, then whole."""
    schema = json_.schema()
    yield from _object("The report", schema)
    for name, definition in schema["$defs"].items():
        if definition.get("type") == "object":
            yield from _object(f"A {name}", definition)
    yield '\n## The schema itself\n\n??? note "schema.json"\n'
    yield "    ```json"
    for line in json.dumps(schema, indent=1).splitlines():
        yield f"    {line}"
    yield "    ```"


def _object(title: str, definition: dict[str, Any]) -> Iterator[str]:
    yield f"\n## {title}\n"
    if "description" in definition:
        yield f"{definition['description']}\n"
    yield "| key | type | meaning |\n|---|---|---|"
    for key, value in definition["properties"].items():
        yield f"| `{key}` | {_type(value)} | {value.get('description', '')} |"


def _type(value: dict[str, Any]) -> str:
    if "$ref" in value:
        return str(value["$ref"]).rsplit("/", 1)[1]
    if "const" in value:
        return f"`{value['const']}`"
    if "enum" in value:
        return ", ".join(f"`{choice}`" for choice in value["enum"] if choice)
    if "oneOf" in value:
        return " or ".join(_type(choice) for choice in value["oneOf"])
    kind = value["type"]
    if kind == "array":
        return f"list of {_type(value['items'])}"
    return " or ".join(kind) if isinstance(kind, list) else str(kind)


RENDERERS: dict[str, Callable[[], Iterator[str]]] = {
    "contract": contract,
    "options": option_list,
    "exit_statuses": exit_statuses,
    "results": results,
    "verdicts": verdicts,
    "ports": port_list,
    "report_schema": report_schema,
}
