from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ASKED = ("generate", "platform", "prod", "--chart-version", "0.6.0")
MANIFESTS = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: caipe-mcp-jira}
spec: {template: {spec: {containers: [{name: a, envFrom: [{secretRef: {name: NAME}}]}]}}}
"""
# Renders to what lies in the chart.
HELM = """#!/bin/sh
[ "$1" = version ] && echo v3.22.0 && exit 0
for last; do :; done
cat "$last/manifests"
"""


@pytest.fixture
def against(project: Path) -> Callable[[str], tuple[str, ...]]:
    """The options that hold the values against a chart whose pod reads the Secret of a name."""

    def made(name: str) -> tuple[str, ...]:
        chart = project / "caipe"
        chart.mkdir()
        (chart / "Chart.yaml").write_text("name: caipe\n", "utf-8")
        (chart / "manifests").write_text(MANIFESTS.replace("NAME", name), "utf-8")
        program = project / "my-helm"
        program.write_text(HELM, "utf-8")
        program.chmod(0o755)
        return ("--against", "caipe", "--helm", str(program))

    return made


def test_values_are_printed_and_notes_stand_beside(run: Callable[..., Any], project: Path) -> None:
    done = run(*ASKED)
    assert done.code == 0
    assert yaml.safe_load(done.out)["mcp-jira"]["mcpSecrets"]["secretName"] == "agent-jira-secrets"
    assert done.err.startswith("note: github: no pod of CAIPE 0.6.0 reads it")
    assert sorted(each.name for each in project.iterdir()) == ["chart", "environments"]
    assert run(*ASKED).out == done.out


def test_values_are_not_written_among_the_environments(run: Callable[..., Any], project: Path) -> None:
    done = run(*ASKED, "--out", "environments/caipe.yaml")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: --out is in environments, where each file is read as an environment")
    assert not (project / "environments/caipe.yaml").exists()


def test_an_unknown_version_is_warned_of_on_standard_error(run: Callable[..., Any], project: Path) -> None:
    del project
    done = run("generate", "platform", "prod", "--chart-version", "9.0.0")
    assert done.code == 0
    assert done.err.startswith("warning: CAIPE's chart 9.0.0 is newer than any that is known")
    assert "warning" not in done.out


def test_a_file_is_written_kept_and_checked(run: Callable[..., Any], project: Path) -> None:
    words = (*ASKED, "--release", "two", "--under", "caipe", "--out", "platform/prod.yaml")
    done = run(*words, "--check")
    assert (done.code, done.rules, done.out) == (1, ["stale-output"], "platform/prod.yaml: stale\n")
    assert not (project / "platform").exists()
    done = run(*words)
    assert (done.code, done.out) == (0, "platform/prod.yaml: written\n")
    text = (project / "platform/prod.yaml").read_text("utf-8")
    assert text.splitlines()[1] == f"#   platform-secrets {' '.join(words)}"
    assert run(*words).out == "platform/prod.yaml: unchanged\n"
    done = run(*words, "--check")
    assert (done.code, done.out) == (0, "platform/prod.yaml: up to date\n")
    (project / "platform/prod.yaml").write_text(text.replace("agent-jira", "agent-jura"), "utf-8")
    assert run(*words, "--check").code == 1


def test_somebody_elses_file_stays(run: Callable[..., Any], project: Path) -> None:
    (project / "prod.yaml").write_text("mine: 1\n", "utf-8")
    done = run(*ASKED, "--out", "prod.yaml")
    assert (done.code, done.rules, done.out) == (1, ["foreign-output"], "")
    assert done.err.splitlines()[-1] == "nothing was written"
    assert (project / "prod.yaml").read_text("utf-8") == "mine: 1\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--chart-version", "0.6.0"), "platform takes exactly one environment"),
        (("prod", "dev", "--chart-version", "0.6.0"), "platform takes exactly one environment"),
        (("prod",), "platform needs --chart-version"),
        (("prod", "--chart-version", "0.6.0", "--check"), "--check needs --out"),
        (("prod", "--chart-version", "0.6.0", "--out", "a\nb"), "--out has a character that cannot be printed"),
        (("prod", "--chart-version", "0.6.0", "--under", "A b"), "--under may only have"),
        (("prod", "--chart-version", "0.6.0", "--release", "A"), "--release may only have"),
        (("prod", "--chart-version", "0.6.0", "--helm", "x"), "--helm is for --against"),
        (("prod", "--chart-version", "0.6.0", "--format", "json"), "--format is for --against"),
        (("prod", "--chart-version", "0.6.0", "--values", "x"), "--values is for --against"),
        (("prod", "--chart-version", "0.6.0", "--strict"), "--strict is for --against"),
        (("prod", "--chart-version", "0.6.0", "--form", "application"), "--form is an option of argocd"),
        (("prod", "--chart-version", "0.0.1"), "CAIPE's chart 0.0.1 is older than any that is known"),
    ],
)
def test_what_does_not_go_together_is_refused(
    run: Callable[..., Any], project: Path, words: tuple[str, ...], message: str
) -> None:
    del project
    done = run("generate", "platform", *words)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"error: {message}")


@pytest.mark.parametrize(("name", "code"), [("agent-jira-secrets", 0), ("mcp-jira-secret", 1)])
def test_a_chart_is_held_against_the_environment(
    run: Callable[..., Any], against: Callable[[str], tuple[str, ...]], name: str, code: int
) -> None:
    done = run(*ASKED, *against(name))
    assert done.code == code
    assert ("unmade-secret" in done.rules) == (code == 1)
    assert "prod: " in done.out
    assert "mcpSecrets" not in done.out
    told = run(*ASKED, "--against", "caipe", "--helm", "my-helm", "--format", "json")
    assert (told.report["command"], told.report["target"]) == ("generate", "platform")
    assert (told.code, told.report["exitCode"], told.report["chartVersion"]) == (code, code, "0.6.0")


def test_warnings_fail_strictly_alone(run: Callable[..., Any], against: Callable[[str], tuple[str, ...]]) -> None:
    words = (*ASKED, *against("agent-jira-secrets"))
    for strict, code in (((), 0), (("--strict",), 1)):
        done = run(*words, *strict, "--format", "json")
        assert (done.code, done.report["exitCode"], done.report["summary"]["errors"]) == (code, code, 0)
        assert done.report["summary"]["warnings"]


def test_a_newer_version_than_any_known_fails_no_check_of_the_chart_itself(
    run: Callable[..., Any], against: Callable[[str], tuple[str, ...]], edit: Callable[[str, str, str], None]
) -> None:
    edit("environments/prod.yaml", "store: azure", "store: azure\nwaive: {unread-secret: so}")
    newer = tuple("9.0.0" if each == "0.6.0" else each for each in ASKED)
    done = run(*newer, *against("agent-jira-secrets"), "--strict")
    assert (done.code, done.err.startswith("warning: CAIPE's chart 9.0.0 is newer")) == (0, True)


def test_a_stale_file_is_an_error_though_the_chart_is_content(
    run: Callable[..., Any], against: Callable[[str], tuple[str, ...]]
) -> None:
    done = run(*ASKED, *against("agent-jira-secrets"), "--out", "prod.yaml", "--check", "--format", "json")
    assert (done.code, done.report["exitCode"], done.report["summary"]["errors"]) == (1, 1, 0)
    assert "./prod.yaml: stale" in done.err


def test_a_chart_that_leads_elsewhere_is_refused(
    run: Callable[..., Any], project: Path, against: Callable[[str], tuple[str, ...]]
) -> None:
    words = against("agent-jira-secrets")
    (project / "caipe/more").symlink_to("/etc/hostname")
    assert run(*ASKED, *words).rules == ["unconfined-chart"]
    done = run(*ASKED, *words, "--format", "json")
    assert (done.code, [each["rule"] for each in done.report["diagnostics"]]) == (1, ["unconfined-chart"])
    assert run(*ASKED, "--against", "nowhere").code == 3


@pytest.mark.parametrize("form", ["text", "json"])
def test_an_error_of_the_input_stops_it(
    run: Callable[..., Any],
    against: Callable[[str], tuple[str, ...]],
    edit: Callable[[str, str, str], None],
    form: str,
) -> None:
    edit("environments/prod.yaml", "store: azure", "store: azur")
    done = run(*ASKED, *against("agent-jira-secrets"), "--format", form)
    assert done.code == 1
    assert "unknown-store" in (done.err if form == "text" else [each["rule"] for each in done.report["diagnostics"]])
