"""A renderer that prints a secret as it found it: no format, no report and no stray print shows it."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from importlib import import_module
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from compiler.cli.commands import compile as compile_command
from compiler.cli.commands import diff, explain, rules
from compiler.cli.invocation import Globals, Invocation
from compiler.cli.main import main
from compiler.cli.terminal.command_output import CommandOutput
from compiler.refusal import Refusal
from compiler.render.content import Code, Command, Commands, Data, Element, Fingerprint, Lines, Painted, Style, Words
from compiler.render.interface import DIFF_FORMATS, FORMATS, REPORT_FORMATS
from tests.leaks import leaks
from tests.sentinel.conftest import SECRET_PARTS, SHAPES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from compiler.render.content import Content, Line

_BODY = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSj"
_LAST = "shortlastlineofakey"
_PASSWORD, _RANDOM = "Tr0ub4dor-9-3", "q7Vx2LmZ8rTk4WnB6yHs1DfG3jPc5KaE9uQw0XoY"
CARELESS = SHAPES | {
    "pem over lines": f"-----BEGIN PRIVATE KEY-----\n{_BODY}\n{_LAST}\n-----END PRIVATE KEY-----\n",
    "password": f"Server=db;password={_PASSWORD};",
    "url in words": f"at postgres://app:{_PASSWORD}@db:5432/x",
    "random": _RANDOM,
}
SECRETS = {name: [part] for name, part in SECRET_PARTS.items()} | {
    "pem over lines": [_BODY, _LAST],
    "password": [_PASSWORD],
    "url in words": [_PASSWORD],
    "random": [_RANDOM],
}
EVERY_SHAPE = pytest.mark.parametrize("shape", CARELESS)


def careless_lines(secret: str) -> Iterator[Line]:
    yield secret
    yield f"it is {secret}, and more"
    yield "in pieces: ", secret, Painted(secret, Style.ERROR), Code(secret), Words(secret), " end"


def careless(form: str, secret: str) -> Content:
    """What a renderer of that format could make of a secret."""
    member = {"a": secret, secret: [secret, {"b": f"x {secret}"}], "version": secret, "f": Fingerprint((secret,))}
    contents: dict[str, Content] = {
        "text": Lines(careless_lines(secret)),
        "json": Data(member),
        "sarif": Data({"version": "2.1.0", "runs": [member]}),
        "github": Commands([Command("error", {"file": secret, "title": secret}, [secret, f"help: {secret}"])]),
        "junit": Element("testsuites", {"name": secret}, [Element("failure", {"a": secret}, text=[secret, (secret,)])]),
    }
    return contents[form]


def printed(capsys: pytest.CaptureFixture[str], project: Path, *argv: str) -> str:
    """What a command prints on both streams; JSON and XML are proved to be that."""
    capsys.readouterr()
    main(["--root", str(project), *argv])
    streams = capsys.readouterr()
    form = argv[argv.index("--format") + 1]
    if form in {"json", "sarif"}:
        assert isinstance(json.loads(streams.out), dict)
    if form == "junit":
        assert ET.fromstring(streams.out).tag == "testsuites"  # noqa: S314 - our own output
    return f"{streams.out}\n{streams.err}"


def holds(text: str, shape: str) -> None:
    """Fails where `text` has the secret, or no sign that one was taken out of it."""
    assert "…" in text or r"\u2026" in text or "&#8230;" in text
    for secret in SECRETS[shape]:
        assert not leaks(text, secret)


@EVERY_SHAPE
@pytest.mark.parametrize("form", FORMATS)
def test_no_format_of_diagnostics_lets_a_secret_out(
    form: str, shape: str, project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = import_module(f"compiler.render.{form}")
    monkeypatch.setattr(module, "render", lambda *_, **__: careless(form, CARELESS[shape]))
    # Text is rendered only where there is something to show.
    (project / "environments/prod.yaml").write_text("globl: {}\n", "utf-8")
    holds(printed(capsys, project, "compile", "prod", "--format", form), shape)


@EVERY_SHAPE
@pytest.mark.parametrize("form", REPORT_FORMATS)
def test_explain_and_rules_let_no_secret_out(
    form: str, shape: str, project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = CARELESS[shape]
    monkeypatch.setattr(explain, "_lines", lambda _: careless_lines(secret))
    monkeypatch.setattr(explain, "_data", lambda _: {"value": secret})
    holds(printed(capsys, project, "explain", "prod", "--format", form), shape)
    if form == "json":
        monkeypatch.setattr(rules, "_data", lambda _: {"page": secret})
        holds(printed(capsys, project, "rules", "--format", form), shape)


@EVERY_SHAPE
@pytest.mark.parametrize("form", DIFF_FORMATS)
def test_diff_lets_no_secret_out(
    form: str, shape: str, project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "environments/dev.yaml").write_text("labels: {a: c}\n", "utf-8")
    secret = CARELESS[shape]
    monkeypatch.setattr(diff, "comparison_lines", lambda *_: careless_lines(secret))
    monkeypatch.setattr(diff, "markdown", lambda *_: careless_lines(secret))
    monkeypatch.setattr(diff, "comparison_data", lambda _: {"changes": [{"title": secret}]})
    holds(printed(capsys, project, "diff", "prod", "dev", "--format", form), shape)


@EVERY_SHAPE
def test_the_reports_of_live_commands_let_no_secret_out(shape: str, capsys: pytest.CaptureFixture[str]) -> None:
    secret = CARELESS[shape]

    def said(form: str) -> str:
        output = CommandOutput(Namespace(format=form), Invocation(Globals()))
        output.lines(careless_lines(secret))
        output.lines(careless_lines(secret), is_error=True)
        output.report(lambda: {"steps": [{"name": secret, "reason": f"x {secret}"}], "results": [{"version": secret}]})
        streams = capsys.readouterr()
        if form == "json":
            assert json.loads(streams.out)["steps"]
        return f"{streams.out}\n{streams.err}"

    for form in REPORT_FORMATS:
        holds(said(form), shape)


def _print(secret: str) -> None:
    print(secret)  # noqa: T201 - what a careless command does


def _raise(secret: str) -> None:
    raise Refusal("cannot run", secret, secret, f"it said\n{secret}")


@EVERY_SHAPE
@pytest.mark.parametrize(
    "act",
    [
        _print,
        _raise,
        lambda secret: sys.stderr.write(f"it said {secret} to\nus"),
        lambda secret: sys.stdout.writelines([secret]),
    ],
)
def test_nothing_that_is_printed_or_raised_past_a_renderer_gets_out(
    act: Callable[[str], Any],
    shape: str,
    project: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(compile_command, "_tell", lambda *_: act(CARELESS[shape]))
    holds(printed(capsys, project, "compile", "prod", "--format", "text"), shape)
