from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from compiler.generate.argocd import health_patch
from tests.commands import EditFile, RunCommand


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("argocd-health", "prod"), 'unexpected argument "prod"'),
        (("argocd-health", "--repo", "https://git/a.git"), 'unknown option "--repo"'),
        (("argocd-health", "--check"), 'unknown option "--check"'),
        (("argocd", "prod"), "argocd needs --form"),
        (
            ("argocd", "nowhere", "--form", "application", "--repo", "https://git/a.git"),
            'there is no environment "nowhere"',
        ),
    ],
)
def test_what_does_not_go_together_is_refused(
    run: RunCommand, project: Path, words: tuple[str, ...], message: str
) -> None:
    done = run("generate", *words)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"error: {message}")
    assert "help: " in done.err


def test_an_unknown_target_is_refused(run: RunCommand, project: Path) -> None:
    assert run("generate", "helm").code == 2


ASKED = ("generate", "argocd", "prod", "--form", "application", "--repo", "https://git.example.com/a.git")


def test_without_a_folder_all_is_printed(run: RunCommand, project: Path) -> None:
    done = run(*ASKED)
    assert (done.code, done.err) == (0, "")
    assert [each["kind"] for each in yaml.safe_load_all(done.out)] == ["AppProject", "Application"]
    assert sorted(each.name for each in project.iterdir()) == ["chart", "environments"]


def test_files_are_written_and_told(run: RunCommand, project: Path) -> None:
    done = run(*ASKED, "--out", "argocd/")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == ["argocd/00-project.yaml: written", "argocd/application-prod.yaml: written"]
    assert (project / "argocd/application-prod.yaml").is_file()


def test_a_check_needs_a_folder_and_ends_with_1(run: RunCommand, project: Path) -> None:
    done = run(*ASKED, "--check")
    assert (done.code, done.err.splitlines()[0]) == (2, "error: --check needs --out")
    done = run(*ASKED, "--check", "--out", "argocd")
    assert done.code == 1
    assert done.rules == ["stale-output", "stale-output"]
    assert done.out.splitlines() == ["argocd/00-project.yaml: stale", "argocd/application-prod.yaml: stale"]
    assert not (project / "argocd").exists()


def test_what_cannot_be_written_is_told(run: RunCommand, project: Path) -> None:
    (project / "argocd").mkdir()
    (project / "argocd/00-project.yaml").write_text("mine: 1\n", "utf-8")
    done = run(*ASKED, "--out", "argocd")
    assert done.code == 1
    assert done.rules == ["foreign-output"]
    assert done.err.splitlines()[-1] == "nothing was written"
    assert done.out == ""


def test_what_another_form_has_left_fails_a_check_and_is_told_when_it_is_written(
    run: RunCommand, project: Path
) -> None:
    former = tuple("applicationset" if each == "application" else each for each in ASKED)
    assert run(*former, "--out", "argocd").code == 0
    done = run(*ASKED, "--out", "argocd")
    assert (done.code, done.rules) == (0, ["stale-output"])
    assert "argocd/applicationset.yaml:1:1: warning[stale-output]" in done.err
    assert done.out.splitlines() == ["argocd/00-project.yaml: written", "argocd/application-prod.yaml: written"]
    done = run(*ASKED, "--out", "argocd", "--check")
    assert (done.code, done.rules) == (1, ["stale-output"])
    (project / "argocd/applicationset.yaml").unlink()
    assert run(*ASKED, "--out", "argocd", "--check").code == 0


def test_files_are_not_written_among_the_environments(run: RunCommand, project: Path) -> None:
    done = run(*ASKED, "--out", "environments")
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines() == [
        "error: --out is in environments, where each file is read as an environment",
        "help: name a folder of its own, such as argocd or caipe",
    ]
    assert not (project / "environments/00-project.yaml").exists()


def test_names_are_those_that_the_project_says_and_else_as_ever(run: RunCommand, project: Path, edit: EditFile) -> None:
    named = [each["metadata"]["name"] for each in yaml.safe_load_all(run(*ASKED).out)]
    assert named == ["platform-secrets", "platform-secrets-prod"]
    edit("environments/base.yaml", "namespace:", "argocdProject: shop-secrets\nnamespace:")
    done = run(*ASKED)
    assert [each["metadata"]["name"] for each in yaml.safe_load_all(done.out)] == ["shop-secrets", "shop-secrets-prod"]
    assert "--project" not in done.out
    # The option counts more, and the head of the file that it makes has it.
    done = run(*ASKED, "--project", "platform-secrets")
    assert [each["metadata"]["name"] for each in yaml.safe_load_all(done.out)] == named
    assert "--project platform-secrets\n" in done.out
    (project / "environments/dev.yaml").write_text("argocdProject: other\n", "utf-8")
    both = (ASKED[0], ASKED[1], "dev", *ASKED[2:], "--cluster", "dev=lab")
    done = run(*both)
    assert (done.code, done.err.splitlines()[0]) == (
        2,
        "error: the environments name different AppProjects by `argocdProject`",
    )
    assert run(*both, "--project", "shop").code == 0


def test_files_with_other_names_than_before_come_with_the_lines_of_the_hand_over(
    run: RunCommand, project: Path
) -> None:
    """Without them Argo CD would refuse the new Application for good."""
    assert run(*ASKED, "--out", "argocd").code == 0
    former = (project / "argocd/application-prod.yaml").read_bytes()
    note = 'note: prod: the Application "platform-secrets-prod" is named "shop-prod" now'
    # A check says it before the files are written, too.
    for words, code in ((("--check",), 1), ((), 0)):
        done = run(*ASKED, "--project", "shop", "--out", "argocd", *words)
        assert done.code == code
        assert note in done.err
        assert "argocd.argoproj.io/tracking-id-\n  kubectl apply -f argocd\n" in done.err
    assert (project / "argocd/application-prod.yaml").read_bytes() != former
    assert run(*ASKED, "--project", "shop", "--out", "argocd").err == ""


def test_a_namespace_that_nothing_makes_is_told_where_files_are_made(
    run: RunCommand, project: Path, edit: EditFile
) -> None:
    edit("environments/base.yaml", "slack: {}", "slack: {namespace: chat}")
    note = 'note: prod: no Application of these makes the namespace "chat"; create it first, or the sync fails'
    for words in ((), ("--out", "argocd")):
        done = run(*ASKED, *words)
        assert (done.code, done.err.splitlines()) == (0, [note])
    assert run(*ASKED, "--out", "argocd", "--check").err == ""


def test_an_error_of_the_input_stops_it(run: RunCommand, project: Path, edit: EditFile) -> None:
    edit("environments/prod.yaml", "store: azure", "store: azur")
    done = run(*ASKED)
    assert (done.code, done.out) == (1, "")
    assert "unknown-store" in done.rules


def test_the_patch_is_printed_alone_and_says_how_to_apply_it(run: RunCommand, project: Path) -> None:
    done = run("generate", "argocd-health")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[1] == (
        "#   kubectl --namespace argocd patch configmap argocd-cm --type merge --patch-file FILE"
    )
    assert yaml.safe_load(done.out) == yaml.safe_load(health_patch())


def test_no_project_is_needed(run: RunCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("generate", "argocd-health").code == 0


PLATFORM = ("generate", "platform", "prod", "--chart-version", "0.6.0")
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


def test_values_are_printed_and_notes_stand_beside(run: RunCommand, project: Path) -> None:
    done = run(*PLATFORM)
    assert done.code == 0
    assert yaml.safe_load(done.out)["mcp-jira"]["mcpSecrets"]["secretName"] == "agent-jira-secrets"
    assert done.err.startswith("note: github: no pod of CAIPE 0.6.0 reads it")
    assert sorted(each.name for each in project.iterdir()) == ["chart", "environments"]
    assert run(*PLATFORM).out == done.out


def test_an_unknown_version_is_warned_of_on_standard_error(run: RunCommand, project: Path) -> None:
    done = run("generate", "platform", "prod", "--chart-version", "9.0.0")
    assert done.code == 0
    assert done.err.startswith("warning: CAIPE's chart 9.0.0 is newer than any that is known")
    assert "warning" not in done.out


def test_a_file_is_written_kept_and_checked(run: RunCommand, project: Path) -> None:
    words = (*PLATFORM, "--release", "two", "--under", "caipe", "--out", "platform/prod.yaml")
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


def test_somebody_elses_file_stays(run: RunCommand, project: Path) -> None:
    (project / "prod.yaml").write_text("mine: 1\n", "utf-8")
    done = run(*PLATFORM, "--out", "prod.yaml")
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
        (("prod", "--chart-version", "0.6.0", "--helm", "x"), "--helm needs --against"),
        (("prod", "--chart-version", "0.6.0", "--format", "json"), "--format needs --against"),
        (("prod", "--chart-version", "0.6.0", "--values", "x"), "--values needs --against"),
        (("prod", "--chart-version", "0.6.0", "--strict"), "--strict needs --against"),
        (("prod", "--chart-version", "0.6.0", "--form", "application"), 'unknown option "--form"'),
        (("prod", "--chart-version", "0.0.1"), "CAIPE's chart 0.0.1 is older than any that is known"),
    ],
)
def test_what_does_not_go_together_is_refused_for_a_platform(
    run: RunCommand, project: Path, words: tuple[str, ...], message: str
) -> None:
    done = run("generate", "platform", *words)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"error: {message}")


@pytest.mark.parametrize(("name", "code"), [("agent-jira-secrets", 0), ("mcp-jira-secret", 1)])
def test_a_chart_is_held_against_the_environment(
    run: RunCommand, against: Callable[[str], tuple[str, ...]], name: str, code: int
) -> None:
    done = run(*PLATFORM, *against(name))
    assert done.code == code
    assert ("unmade-secret" in done.rules) == (code == 1)
    assert "prod: " in done.out
    assert "mcpSecrets" not in done.out
    told = run(*PLATFORM, "--against", "caipe", "--helm", "my-helm", "--format", "json")
    assert (told.report["command"], told.report["target"]) == ("generate", "platform")
    assert (told.code, told.report["exitCode"], told.report["chartVersion"]) == (code, code, "0.6.0")


def test_warnings_fail_strictly_alone(run: RunCommand, against: Callable[[str], tuple[str, ...]]) -> None:
    words = (*PLATFORM, *against("agent-jira-secrets"))
    for strict, code in (((), 0), (("--strict",), 1)):
        done = run(*words, *strict, "--format", "json")
        assert (done.code, done.report["exitCode"], done.report["summary"]["errors"]) == (code, code, 0)
        assert done.report["summary"]["warnings"]


def test_a_newer_version_than_any_known_fails_no_check_of_the_chart_itself(
    run: RunCommand, against: Callable[[str], tuple[str, ...]], edit: EditFile
) -> None:
    edit("environments/prod.yaml", "store: azure", "store: azure\nwaive: {unread-secret: so}")
    newer = tuple("9.0.0" if each == "0.6.0" else each for each in PLATFORM)
    done = run(*newer, *against("agent-jira-secrets"), "--strict")
    assert (done.code, done.err.startswith("warning: CAIPE's chart 9.0.0 is newer")) == (0, True)


def test_a_stale_file_is_an_error_though_the_chart_is_content(
    run: RunCommand, against: Callable[[str], tuple[str, ...]]
) -> None:
    done = run(*PLATFORM, *against("agent-jira-secrets"), "--out", "prod.yaml", "--check", "--format", "json")
    assert (done.code, done.report["exitCode"], done.report["summary"]["errors"]) == (1, 1, 0)
    assert "./prod.yaml: stale" in done.err


def test_a_chart_that_leads_elsewhere_is_refused(
    run: RunCommand, project: Path, against: Callable[[str], tuple[str, ...]]
) -> None:
    words = against("agent-jira-secrets")
    (project / "caipe/more").symlink_to("/etc/hostname")
    assert run(*PLATFORM, *words).rules == ["unconfined-chart"]
    done = run(*PLATFORM, *words, "--format", "json")
    assert (done.code, [each["rule"] for each in done.report["diagnostics"]]) == (1, ["unconfined-chart"])
    assert run(*PLATFORM, "--against", "nowhere").code == 3


@pytest.mark.parametrize("form", ["text", "json"])
def test_an_error_of_the_input_stops_it_for_a_platform(
    run: RunCommand, against: Callable[[str], tuple[str, ...]], edit: EditFile, form: str
) -> None:
    edit("environments/prod.yaml", "store: azure", "store: azur")
    done = run(*PLATFORM, *against("agent-jira-secrets"), "--format", form)
    assert done.code == 1
    assert "unknown-store" in (done.err if form == "text" else [each["rule"] for each in done.report["diagnostics"]])


ACCESS = ("generate", "access", "prod", "--for", "reader", "--form", "hcl", "--store", "vault")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (ACCESS[:3], "access needs --for"),
        (ACCESS[:5], "access needs --form"),
        ((*ACCESS[:2], *ACCESS[3:]), "access takes exactly one environment"),
        ((*ACCESS[:6], "application"), "unknown value for --form"),
        (("generate", "argocd", "--form", "hcl"), "unknown value for --form"),
        ((*ACCESS, "--check"), "--check needs --out"),
        ((*ACCESS, "--release", "a"), 'unknown option "--release"'),
        (("generate", "platform", "prod", "--prefix"), 'unknown option "--prefix"'),
        ((*ACCESS, "--out", "environments/a.hcl"), "--out is in environments"),
    ],
)
def test_access_that_cannot_be_generated_is_refused(
    run: RunCommand, project: Path, words: tuple[str, ...], message: str
) -> None:
    done = run(*words)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"error: {message}")


def test_access_is_printed_written_and_checked(run: RunCommand, project: Path) -> None:
    printed = run(*ACCESS)
    assert printed.code == 0
    assert printed.out.startswith("# Generated by `platform-secrets generate access`. Do not edit; run:\n")
    written = run(*ACCESS, "--out", "policies/reader.hcl")
    assert written.out == "policies/reader.hcl: written\n"
    text = (project / "policies/reader.hcl").read_text("utf-8")
    assert text.splitlines()[1].endswith("--for reader --form hcl --store vault --out policies/reader.hcl")
    assert text.splitlines()[2:] == printed.out.splitlines()[2:]
    assert run(*ACCESS, "--check", "--out", "policies/reader.hcl").code == 0
    (project / "policies/reader.hcl").write_text(text + "# more\n", "utf-8")
    assert run(*ACCESS, "--check", "--out", "policies/reader.hcl").code == 1


def test_an_environment_with_an_error_gets_no_access(run: RunCommand, project: Path) -> None:
    path = project / "environments/prod.yaml"
    path.write_text(path.read_text("utf-8") + "nonsense: 1\n", "utf-8")
    done = run(*ACCESS, "--out", "policies/reader.hcl")
    assert done.code == 1
    assert not (project / "policies").exists()
