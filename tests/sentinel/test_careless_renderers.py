"""A renderer that prints a secret as it found it: no format, no report and no stray print shows it."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from compiler.cli.commands import diff, explain, rules
from compiler.cli.main import main
from compiler.cli.parser import DIFF_FORMATS, REPORT_FORMATS
from compiler.cli.terminal.outlet import standard_output
from compiler.refusal import Refusal
from compiler.render import formats
from compiler.render.content import (
    CodeSpan,
    Content,
    Fingerprint,
    Line,
    Painted,
    Style,
    Words,
    WorkflowCommands,
)
from compiler.render.formats import FORMATS
from tests.commands import invocation_of
from tests.leaks import leaks
from tests.sentinel.conftest import SECRET_PARTS, SHAPES

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
# Shown once by each way that a command prints; it needs more than any other shape.
ONE_SHAPE = "pem over lines"


def careless_lines(secret: str) -> Iterator[Line]:
    yield secret
    yield f"it is {secret}, and more"
    yield "in pieces: ", secret, Painted(secret, Style.ERROR), CodeSpan(secret), Words(secret), " end"


def careless(form: str, secret: str) -> Content:
    """What a renderer of that format could make of a secret."""
    member = {"a": secret, secret: [secret, {"b": f"x {secret}"}], "version": secret, "f": Fingerprint((secret,))}
    contents: dict[str, Content] = {
        "text": careless_lines(secret),
        "json": member,
        "sarif": {"version": "2.1.0", "runs": [member]},
        "github": WorkflowCommands([("error", {"file": secret, "title": secret}, [secret, f"help: {secret}"])]),
    }
    return contents[form]


def check_form(form: str, text: str) -> None:
    if form in {"json", "sarif"}:
        assert isinstance(json.loads(text), dict)


def is_shown(text: str, shape: str) -> bool:
    """Whether `text` has a part of the secret, or no sign that one was taken out of it."""
    is_marked = "…" in text or r"\u2026" in text
    return not is_marked or any(leaks(text, secret) for secret in SECRETS[shape])


@pytest.mark.parametrize("form", FORMATS)
def test_the_outlet_lets_no_shape_of_a_secret_out(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    def text_of(secret: str) -> str:
        standard_output().show(careless(form, secret))
        text = capsys.readouterr().out
        check_form(form, text)
        return text

    assert [shape for shape, secret in CARELESS.items() if is_shown(text_of(secret), shape)] == []


def test_the_reports_of_live_commands_let_no_shape_of_a_secret_out(capsys: pytest.CaptureFixture[str]) -> None:
    def text_of(form: str, secret: str) -> str:
        output = invocation_of(format=form)
        output.lines(careless_lines(secret))
        output.lines(careless_lines(secret), is_error=True)
        steps = [{"name": secret, "reason": f"x {secret}"}]
        output.report(lambda: {"steps": steps, "results": [{"version": secret}]}, 0)
        streams = capsys.readouterr()
        if form == "json":
            assert json.loads(streams.out)["steps"]
        return f"{streams.out}\n{streams.err}"

    for form in REPORT_FORMATS:
        assert [shape for shape, secret in CARELESS.items() if is_shown(text_of(form, secret), shape)] == [], form


COMMANDS = (
    *(("compile", "prod", "--format", form) for form in FORMATS),
    *(("explain", "prod", "--format", form) for form in REPORT_FORMATS),
    ("rules", "--format", "json"),
    *(("diff", "prod", "dev", "--format", form) for form in DIFF_FORMATS),
)


@pytest.mark.parametrize("argv", COMMANDS, ids=" ".join)
def test_every_format_of_every_command_leaves_by_the_outlet(
    argv: tuple[str, ...], project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    secret, form = CARELESS[ONE_SHAPE], argv[-1]
    monkeypatch.setattr(explain, "_lines", lambda _: careless_lines(secret))
    monkeypatch.setattr(explain, "_data", lambda _: {"value": secret})
    monkeypatch.setattr(rules, "_data", lambda _: {"page": secret})
    monkeypatch.setattr(diff, "comparison_lines", lambda *_: careless_lines(secret))
    monkeypatch.setattr(diff, "markdown", lambda *_: careless_lines(secret))
    monkeypatch.setattr(diff, "comparison_data", lambda _: {"changes": [{"title": secret}]})
    (project / "environments/dev.yaml").write_text("labels: {a: c}\n", "utf-8")
    if argv[0] == "compile":
        monkeypatch.setattr(formats, "FORMATS", {form: lambda *_: careless(form, secret)})
        # Text is rendered only where there is something to show.
        (project / "environments/prod.yaml").write_text("globl: {}\n", "utf-8")
    main(["--root", str(project), *argv])
    streams = capsys.readouterr()
    check_form(form, streams.out)
    assert not is_shown(f"{streams.out}\n{streams.err}", ONE_SHAPE)


def _print(secret: str) -> None:
    print(secret)  # noqa: T201 - what a careless command does


def _raise(secret: str) -> None:
    raise Refusal("cannot run", secret, secret, f"it said\n{secret}")


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
    act: Callable[[str], object], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def text_of(secret: str) -> str:
        monkeypatch.setattr(rules, "run", lambda *_: act(secret))
        main(["rules"])
        return "\n".join(capsys.readouterr())

    assert [shape for shape, secret in CARELESS.items() if is_shown(text_of(secret), shape)] == []
