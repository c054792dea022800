"""Generated values close what a chart in CAIPE's form leaves open, and what they cannot close is found."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands import Done, run_command
from tests.conftest import ROOT, Helm
from tests.platform.charts import CHARTS, write_chart
from tests.platforms import base_text, write_project

SENTINEL = "sentinel-of-the-chart-4711"
# What the chart of each version needs of an environment, and one of it that is then left out.
SECRETS = {
    "0.1.18": ("github", "jira"),
    "0.5.21": ("github", "jira"),
    "0.5.23": ("argocd", "jira"),
    "0.5.24": ("argocd", "jira"),
    "0.6.0": ("slack-mcp", "caipe-ui", "caipe-mongodb", "github-mcp-server", "jira"),
    "1.3.0-rc.6": (
        *("slack-mcp", "sharepoint", "caipe-ui", "caipe-mongodb", "github-mcp-server"),
        *("keycloak-platform", "agent-context", "agentgateway-cas", "jira"),
    ),
}
BASE = base_text("\n  global: {use: [openai]}", azure=None)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_project(tmp_path, base=BASE)
    shutil.copy(ROOT / "environments/catalogue.yaml", tmp_path / "environments")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], project: Path, helms: tuple[Helm, ...]) -> Callable[..., Done]:
    """Generates for the environment of those secrets, against the chart of a version."""

    def invoke(version: str, secrets: tuple[str, ...], *words: str, helm: int = 0) -> Done:
        text = "secrets:\n" + "".join(f"  {each}: {{}}\n" for each in secrets)
        (project / "environments/prod.yaml").write_text(text, "utf-8")
        done = run_command(
            capsys,
            *("generate", "platform", "prod", "--chart-version", version, "--against", "caipe"),
            *("--helm", helms[helm].path, *words),
        )
        assert SENTINEL not in done.out + done.err
        return done

    return invoke


def errors(done: Done) -> list[tuple[str, str]]:
    return [(each["rule"], each["message"]) for each in done.report["diagnostics"] if each["severity"] == "error"]


@pytest.mark.parametrize("version", CHARTS)
def test_with_the_values_every_pod_has_its_secrets(run: Callable[..., Done], project: Path, version: str) -> None:
    write_chart(project, version)
    done = run(version, SECRETS[version], "--format", "json")
    assert errors(done) == []
    assert (done.code, done.report["chartVersion"], done.report["newerThanKnown"]) == (0, version, False)
    assert {each["secret"] for each in done.report["secrets"] if each["readBy"]} == {"global", *SECRETS[version]}


@pytest.mark.parametrize("version", CHARTS)
def test_without_a_secret_the_gap_is_found(run: Callable[..., Done], project: Path, version: str) -> None:
    write_chart(project, version, makes_secrets=False)
    done = run(version, SECRETS[version][:-1], "--format", "json")
    ((rule, message),) = errors(done)
    assert rule == "unmade-secret"
    assert "jira-secret" in message
    assert (done.code, done.report["exitCode"]) == (1, 1)


@pytest.mark.parametrize(("version", "form"), [("0.5.21", "0.5.23"), ("0.5.24", "0.5.21"), ("0.1.18", "0.5.21")])
def test_values_of_another_version_leave_gaps(run: Callable[..., Done], project: Path, version: str, form: str) -> None:
    write_chart(project, version)
    done = run(form, SECRETS[version])
    assert done.code == 1
    assert "unmade-secret" in done.rules or "doubly-made-secret" in done.rules


def test_both_helms_find_the_same(run: Callable[..., Done], project: Path) -> None:
    write_chart(project, "0.6.0")
    secrets = ("jira", "caipe-ui", "github-mcp-server")
    first, second = (run("0.6.0", secrets, "--format", "json", helm=each) for each in (0, 1))
    assert [rule for rule, _ in errors(first)] == ["unmade-secret", "unmade-secret"]
    # Not at the same lines: the two print other lines between documents.
    assert sorted(errors(first)) == sorted(errors(second))


@pytest.mark.parametrize("form", ["text", "github", "sarif"])
def test_findings_have_the_formats_of_consumers(run: Callable[..., Done], project: Path, form: str) -> None:
    write_chart(project, "0.6.0")
    done = run("9.0.0", ("caipe-ui", "slack-mcp", "github-mcp-server"), "--format", form)
    assert done.code == 1
    told = done.err if form == "text" else done.out
    assert "unmade-secret" in told
    assert "<caipe>" in told or form in ("sarif", "github")
    assert "warning: CAIPE's chart 9.0.0 is newer" in done.err


def test_own_values_lie_below_the_generated(run: Callable[..., Done], project: Path) -> None:
    write_chart(project, "0.5.24")
    (project / "own.yaml").write_text("components: [mcp-jira]\nmcp-jira: {mcpSecrets: {secretName: mine}}\n", "utf-8")
    done = run("0.5.24", ("jira",), "--values", "own.yaml")
    assert (done.code, done.rules) == (0, [])
    assert 'jira: "agent-jira-secrets" is read by Deployment "caipe-mcp-jira"' in done.out


def test_the_file_that_is_written_is_the_one_that_was_rendered(
    run: Callable[..., Done], project: Path, helms: tuple[Helm, ...]
) -> None:
    chart = write_chart(project, "0.5.24")
    done = run("0.5.24", SECRETS["0.5.24"], "--out", "values.yaml", "--format", "json")
    assert done.code == 0
    assert "./values.yaml: written" in done.err
    rendered = helms[0].run("template", "caipe", chart, "--values", project / "values.yaml")
    (project / "rendered.yaml").write_text(rendered.stdout, "utf-8")
    assert "kind: ExternalSecret" not in rendered.stdout
    assert "kind: Secret\n" not in rendered.stdout


def test_a_chart_that_leads_elsewhere_is_not_rendered(run: Callable[..., Done], project: Path) -> None:
    chart = write_chart(project, "0.5.24")
    (chart / "templates/more.yaml").symlink_to("/etc/hostname")
    for words in ((), ("--format", "json")):
        done = run("0.5.24", SECRETS["0.5.24"], *words)
        assert done.code == 1
        assert "caipe/templates/more.yaml is a link" in done.out + done.err
        assert "unconfined-chart" in done.out + done.err


def test_routing_by_litellm_without_its_key_is_warned_of(run: Callable[..., Done], project: Path) -> None:
    write_chart(project, "1.3.0-rc.6")
    (project / "own.yaml").write_text("global: {llmRouting: {litellm: {enabled: true}}}\n", "utf-8")
    warning = 'warning: with `llmRouting.litellm.enabled` CAIPE reads "OPENAI_API_KEY" of "global", which lacks it'
    secrets = SECRETS["1.3.0-rc.6"]
    assert warning not in run("1.3.0-rc.6", secrets, "--values", "own.yaml").err
    base = project / "environments/base.yaml"
    base.write_text(BASE.replace("[openai]", "[aws-bedrock]"), "utf-8")
    done = run("1.3.0-rc.6", secrets, "--values", "own.yaml")
    assert (done.code, warning in done.err) == (0, True)
