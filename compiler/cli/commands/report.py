"""Runs `report`, which shows secrets by environment as one HTML file, or as Markdown for a pull request."""

from argparse import ArgumentTypeError
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from compiler.cli.invocation import Invocation, live_environments
from compiler.cli.parser import Parser
from compiler.cli.terminal.contents import text_of
from compiler.cli.terminal.outlet import standard_output
from compiler.model.files import NamedFileError, read_named
from compiler.operations.age_file import write_private
from compiler.operations.causes import next_of_secrets, next_step
from compiler.operations.report import ADDRESSES, LARGEST, OWNERS, merge_reports, read_report
from compiler.operations.status import StepContext, from_files
from compiler.refusal import OK, Refusal
from compiler.render.content import as_json
from compiler.render.reports.page import matrix_markdown, report_page
from compiler.render.reports.status import status_data

DESCRIPTION = """Shows secrets by environment: the store of each, its state, age and due date, who reads and owns it,
moves and problems. Without --from it shows what the files of all environments say, and contacts no store or cluster.

--from takes what `status --format json` printed: one run per environment, or several, each with its own log-in and
context. The page shows what these runs found, without further checks. No value, length or hash of one is in it; it is
one file that makes no request. It is written readable by you alone: it names stores, secrets and their owners."""
EXAMPLES = (
    "platform-secrets report --out secrets.html",
    "platform-secrets report --from prod.json staging.json --out secrets.html",
    "platform-secrets report --from prod.json --without addresses,owners --out secrets.html --replace",
    "platform-secrets report --format markdown",
)
_PARTS = (ADDRESSES, OWNERS)


def configure(parser: Parser) -> None:
    parser.add_several(
        "--from", "FILE", "reports of `status --format json`; by default the environments' files alone", dest="reports"
    )
    parser.add_option(
        "--without",
        "PARTS",
        "leave out `addresses` of stores, `owners` of keys, or both with a comma between",
        type=_parts,
        default=(),
    )
    parser.add_written_file("--out", "write to this file, readable by you alone")
    parser.add_flag("--replace", "replace the file of --out")
    parser.add_argument(
        "--format",
        choices=("html", "markdown"),
        default="html",
        help="output format; html by default, which needs --out",
    )
    parser.require("--replace", "--out")


def _parts(text: str) -> tuple[str, ...]:
    if not text:
        raise ArgumentTypeError("is empty")
    given = tuple(dict.fromkeys(text.split(",")))
    if not set(given) <= set(_PARTS):
        raise ArgumentTypeError(f"use {' or '.join(_PARTS)}, or both with a comma between")
    return given


def run(invocation: Invocation) -> int:
    arguments, now = invocation.arguments, datetime.now(UTC)
    is_page = arguments.format == "html"
    if is_page and arguments.out is None:
        raise Refusal("usage", "a page needs a file", "add --out FILE, or --format markdown to print it")
    reports = _read(arguments.reports) if arguments.reports else _from_files(invocation, now)
    data = merge_reports(reports, now, arguments.without)
    if arguments.out is None:
        standard_output().show(matrix_markdown(data))
        return OK
    text = report_page(data) if is_page else text_of(matrix_markdown(data))
    write_private(Path(arguments.out), text.encode(), replaces=arguments.replace)
    left_out = f"; left out: {', '.join(data['without'])}" if data["without"] else ""
    invocation.lines([f"{arguments.out}: written; contains {', '.join(data['contains'])}{left_out}"])
    return OK


def _read(files: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    for file in files:
        try:
            data = read_named(file, LARGEST).data
        except NamedFileError as error:
            raise Refusal("usage", f"{file} {error}", "name a report of `status --format json`") from None
        yield file, read_report(file, data)


def _from_files(invocation: Invocation, now: datetime) -> Iterator[tuple[str, dict[str, Any]]]:
    asked = StepContext()
    for environment in live_environments((), invocation):
        found = from_files(environment)
        shown = status_data(found, next_step(found, asked), next_of_secrets(found, asked))
        yield "the project", as_json({"moment": now, "environments": [shown]})
