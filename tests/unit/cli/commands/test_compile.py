import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from compiler import __version__
from tests.commands import EditFile, RunCommand

_CONFLUENCE = "CONFLUENCE_API_TOKEN, CONFLUENCE_USERNAME, CONFLUENCE_URL"
_SLACK = "SLACK_BOT_TOKEN, SLACK_APP_TOKEN, SLACK_SIGNING_SECRET, SLACK_CLIENT_SECRET, SLACK_TEAM_ID"
SENTINEL = "ghp_s3ntinels3ntinels3ntinels3ntinel0"


def test_one_environment_is_written_and_then_left_alone(run: RunCommand, project: Path) -> None:
    done = run("compile", "prod")
    assert done.code == 0
    assert done.err == (
        'note: this project does not make the ClusterSecretStore "azure-keyvault-store": it has to be in the cluster '
        "already, or `platform-secrets new store azure --auth workloadIdentity` has the chart make it\n"
    )
    assert done.out == "chart/values-prod.yaml: written, 7 secrets, 22 keys\n"
    before = (project / "chart/values-prod.yaml").stat()
    done = run("compile", "prod")
    # Said once: the file has the store's name now.
    assert (done.code, done.err) == (0, "")
    assert done.out == "chart/values-prod.yaml: unchanged, 7 secrets, 22 keys\n"
    after = (project / "chart/values-prod.yaml").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_changes_are_told_in_words(run: RunCommand, project: Path, edit: EditFile) -> None:
    run("compile", "dev")
    edit("environments/base.yaml", "  slack: {}\n", "")
    edit("environments/base.yaml", "  jira: {}\n", "  jira: {}\n  confluence: {}\n")
    edit("environments/dev.yaml", "secrets:\n", "secrets:\n  github: {use: [app]}\n  argocd: {fetch: bundle}\n")
    assert run("compile", "dev").out.splitlines() == [
        "chart/values-dev.yaml: written, 7 secrets, 21 keys",
        "  changed ai-platform-engineering/agent-argocd-secrets",
        "    fetch: perKey -> bundle",
        f"  added ai-platform-engineering/agent-confluence-secrets with {_CONFLUENCE}",
        "  changed ai-platform-engineering/agent-github-secrets",
        "    added GITHUB_APP_ID, GITHUB_APP_PRIVATE_KEY, GITHUB_APP_INSTALLATION_ID",
        "    removed GITHUB_PERSONAL_ACCESS_TOKEN",
        f"  removed ai-platform-engineering/agent-slack-secrets with {_SLACK}: pods that mount it will not start",
        "  Argo CD asks before it deletes: `argocd app confirm-deletion APP` confirms; until then later syncs wait too",
    ]


def test_without_the_annotation_nobody_is_asked(run: RunCommand, project: Path, edit: EditFile) -> None:
    edit("environments/base.yaml", "Prune=confirm,", "")
    run("compile", "dev")
    edit("environments/base.yaml", "  slack: {}\n", "")
    assert "confirm-deletion" not in run("compile", "dev").out


def test_one_error_and_nothing_is_written(run: RunCommand, project: Path, edit: EditFile) -> None:
    edit("environments/staging.yaml", "jira:", "jirra:")
    done = run("compile")
    assert (done.code, done.out) == (1, "")
    assert 'error[unknown-secret]: no secret named "jirra" in the catalogue' in done.err
    assert 'help: did you mean "jira"?' in done.err
    assert done.err.endswith("\nnothing was written\n")
    assert not list((project / "chart").glob("values-*.yaml"))


def test_an_unknown_environment_is_a_usage_error(run: RunCommand, project: Path) -> None:
    done = run("compile", "prd")
    assert (done.code, done.out) == (2, "")
    assert done.err == 'error: there is no environment "prd"\nhelp: did you mean "prod"?\n'


def test_strict_changes_the_code_for_warnings(run: RunCommand, project: Path, edit: EditFile) -> None:
    edit("environments/dev.yaml", "    use: [openai]\n", "    refreshInterval: 1h\n")
    done = run("compile", "dev")
    assert done.code == 0
    assert "warning[variants-not-chosen]" in done.err
    assert run("compile", "dev", "--strict").code == 1
    assert run("compile", "prod", "--strict").code == 0


def test_quiet_says_nothing_but_diagnostics(run: RunCommand, project: Path) -> None:
    done = run("compile", "prod", "--quiet", "--store", "vault")
    assert (done.code, done.out, done.err) == (0, "", "")


@pytest.fixture
def forty(project: Path) -> Path:
    """A project of 40 environments that read one Vault."""
    for path in (project / "environments").iterdir():
        if path.stem not in ("base", "catalogue"):
            path.unlink()
    for number in range(40):
        (project / f"environments/e{number:02d}.yaml").write_text(
            "stores: {vault: {server: https://vault.example.com}}\nsecrets: {global: {use: [openai]}}\n",
            "utf-8",
        )
    return project


def test_of_very_many_findings_and_files_the_first_are_told(run: RunCommand, forty: Path) -> None:
    done = run("compile")
    assert done.code == 0
    assert done.err.count("warning[shared-place]") == 20
    assert '19 more findings of "shared-place" not shown; `--all` shows them\n\n39 warnings\n' in done.err
    assert done.err.count("this project does not make the ClusterSecretStore") == 1
    assert len(done.out.splitlines()) == 21
    assert done.out.endswith("\n20 more files written; `--all` shows them\n")
    assert run("compile", "--check").out.endswith("\n20 more files up to date; `--all` shows them\n")


def test_with_all_every_finding_and_file_is_told(run: RunCommand, forty: Path) -> None:
    done = run("compile", "--all")
    assert done.err.count("warning[shared-place]") == 39
    assert len(done.out.splitlines()) == 40
    assert "not shown" not in done.err


def test_a_file_with_changes_is_always_told(run: RunCommand, forty: Path) -> None:
    run("compile")
    last = forty / "environments/e39.yaml"
    last.write_text(last.read_text("utf-8") + "refreshInterval: 2h\n", "utf-8")
    out = run("compile").out.splitlines()
    assert out[20].startswith("chart/values-e39.yaml: written")
    assert out[-1] == "19 more files unchanged; `--all` shows them"


@pytest.mark.parametrize("options", [(), ("--check",)], ids=["written", "checked"])
def test_of_the_changes_of_a_file_the_first_are_shown_and_with_all_every_one(
    run: RunCommand, project: Path, edit: EditFile, options: tuple[str, ...]
) -> None:
    run("compile", "dev")
    values = project / "chart/values-dev.yaml"
    before = values.read_bytes()
    many = "".join(f"  example.com/a{number}: b\n" for number in range(200))
    edit("environments/base.yaml", "annotations:\n", f"annotations:\n{many}")
    everything = run("compile", "dev", *options, "--all").out.splitlines()
    values.write_bytes(before)
    done = run("compile", "dev", *options)
    *shown, last = done.out.splitlines()
    assert (shown, len(shown)) == (everything[:101], 101)
    # The note on Argo CD is no line of the changes' own.
    assert last == f"and {len(everything) - 101} more lines; `--all` shows them"
    values.write_bytes(before)
    edit("environments/base.yaml", "a0: b\n", f"a0: {'long ' * 5_000}\n")
    done = run("compile", "dev", *options)
    assert (len(done.out) < 5_000, "more lines; `--all` shows them" in done.out) == (True, True)


def test_of_very_many_files_that_differ_the_first_are_shown(run: RunCommand, forty: Path) -> None:
    assert forty.is_dir()
    done = run("compile", "--check")
    assert (done.code, done.out.count(": stale, 7 secrets"), done.out.count("\n@@ ")) == (1, 20, 20)
    assert done.out.endswith("\n20 more files stale; `--all` shows them\n")
    assert run("compile", "--check", "--all").out.count("\n@@ ") == 40


def test_check_passes_where_all_is_fresh(run: RunCommand, project: Path) -> None:
    run("compile")
    done = run("compile", "--check")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[0] == "chart/values-dev.yaml: up to date, 7 secrets, 21 keys"


def test_check_names_an_edited_file_of_the_chart(run: RunCommand, project: Path) -> None:
    run("compile")
    assert run("compile", "--check").err == ""
    (project / "chart/templates/external-secret.yaml").write_text("mine\n", "utf-8")
    note = (
        f'note: not as in {__version__} of this program: "chart/templates/external-secret.yaml"; '
        "`platform-secrets new chart --upgrade` shows the differences\n"
    )
    done = run("compile", "--check")
    assert (done.code, done.err) == (0, note)
    assert run("new", "chart", "--upgrade").out.count("\n-mine\n") == 1
    assert run("compile", "--check", "--quiet").err == ""
    assert "of this program" not in run("compile").err


def test_check_shows_what_is_stale_and_writes_nothing(run: RunCommand, project: Path, edit: EditFile) -> None:
    run("compile")
    edit("chart/values-dev.yaml", 'refreshInterval: "1h0m0s"', f'refreshInterval: "{SENTINEL}"')
    before = (project / "chart/values-dev.yaml").read_bytes()
    done = run("compile", "--check")
    assert done.code == 1
    assert 'chart/values-dev.yaml:8:1: error[stale-values]: chart/values-dev.yaml is not what "dev" compiles to' in (
        done.err
    )
    assert '+    refreshInterval: "1h0m0s"\n' in done.out
    assert '-    refreshInterval: "…"\n' in done.out
    assert SENTINEL not in done.out + done.err
    assert (project / "chart/values-dev.yaml").read_bytes() == before


def test_check_finds_a_missing_file(run: RunCommand, project: Path) -> None:
    done = run("compile", "prod", "--check", "--format", "json")
    assert done.code == 1
    (diagnostic,) = json.loads(done.out)["diagnostics"]
    assert (diagnostic["rule"], diagnostic["message"]) == ("stale-values", "chart/values-prod.yaml is missing")
    assert not (project / "chart/values-prod.yaml").exists()


def test_a_check_takes_an_address_that_the_files_leave_open_as_the_compile_does(
    run: RunCommand, project: Path, monkeypatch: pytest.MonkeyPatch, edit: EditFile
) -> None:
    auth = "auth: {workloadIdentity: {serviceAccount: {name: eso, namespace: eso}}}"
    rendered = f"{{render: true, conditions: {{namespaces: [ai-platform-engineering]}}, {auth}}}"
    edit("environments/dev.yaml", "secrets:", f"store: azure\nstores: {{azure: {rendered}}}\nsecrets:")
    assert "error[unreachable-store]" in run("compile", "dev").err
    monkeypatch.setenv("AZURE_KEYVAULT_NAME", "agents")
    assert run("compile", "dev").code == 0
    done = run("compile", "dev", "--check")
    assert (done.code, done.err) == (0, 'note: AZURE_KEYVAULT_NAME gives the vaultUrl of the store "azure"\n')
    monkeypatch.setenv("AZURE_KEYVAULT_NAME", "others")
    assert '-        vaultUrl: "https://agents.vault.azure.net"' in run("compile", "dev", "--check").out


def test_a_check_ignores_the_variable(run: RunCommand, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("compile")
    monkeypatch.setenv("AI_PLATFORM_SECRET_STORE", "vault")
    done = run("compile", "--check")
    assert done.code == 0
    assert "AI_PLATFORM_SECRET_STORE is ignored" in done.err


def test_the_variable_moves_one_environment_and_says_so(
    run: RunCommand, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AI_PLATFORM_SECRET_STORE", "vault-secret-store")
    done = run("compile", "prod")
    assert done.code == 0
    assert done.err.startswith('note: AI_PLATFORM_SECRET_STORE chooses the store "vault"\n')
    assert "azure-keyvault-store" not in (project / "chart/values-prod.yaml").read_text("utf-8")
    done = run("compile")
    assert (done.code, done.out) == (2, "")
    assert "AI_PLATFORM_SECRET_STORE is set" in done.err


@pytest.mark.parametrize("form", ["json", "github", "sarif"])
def test_formats_for_programs_have_standard_output_to_themselves(
    run: RunCommand, project: Path, edit: EditFile, form: str
) -> None:
    edit("environments/dev.yaml", "    use: [openai]\n", "    refreshInterval: 1h\n")
    done = run("compile", "dev", "--format", form)
    assert done.code == 0
    assert "\nchart/values-dev.yaml: written" in done.err
    assert "variants-not-chosen" in done.out
    assert "values-dev.yaml" not in done.out


def test_another_folder_is_made_and_filled(run: RunCommand, project: Path) -> None:
    done = run("compile", "prod", "--out", "trial/deep")
    assert (done.code, done.out) == (0, "trial/deep/values-prod.yaml: written, 7 secrets, 22 keys\n")
    assert (project / "trial/deep/values-prod.yaml").is_file()
    assert not (project / "chart/values-prod.yaml").exists()


@pytest.mark.parametrize("folder", ["file/below", "/proc/nothing"])
def test_an_output_folder_that_cannot_be_made(run: RunCommand, project: Path, folder: str) -> None:
    (project / "file").write_text("", "utf-8")
    done = run("compile", "prod", "--out", folder)
    assert (done.code, done.out) == (1, "")
    assert "error[unwritable-output]" in done.err
    assert done.err.endswith("nothing was written\n")


def test_a_foreign_file_is_kept(run: RunCommand, project: Path) -> None:
    (project / "chart/values-prod.yaml").write_text("replicas: 3\n", "utf-8")
    done = run("compile")
    assert done.code == 1
    assert "error[foreign-output]" in done.err
    assert (project / "chart/values-prod.yaml").read_text("utf-8") == "replicas: 3\n"
    assert not (project / "chart/values-dev.yaml").exists()


def test_prune_removes_our_own_orphans_only(run: RunCommand, project: Path) -> None:
    (project / "chart/values-old.yaml").write_text("# Compiled from nowhere\n", "utf-8")
    done = run("compile")
    assert "warning[orphan-values]" in done.err
    done = run("compile", "--prune", "--strict")
    assert (done.code, done.err) == (0, "")
    assert done.out.endswith("chart/values-old.yaml: removed\n")
    assert not (project / "chart/values-old.yaml").exists()
    (project / "chart/values-theirs.yaml").write_text("a: 1\n", "utf-8")
    done = run("compile", "--prune")
    assert done.code == 1
    assert "error[foreign-output]: chart/values-theirs.yaml was not written by this compiler" in done.err
    assert "nothing was written" not in done.err
    assert (project / "chart/values-theirs.yaml").exists()


def test_nothing_is_pruned_after_an_error(run: RunCommand, project: Path, edit: EditFile) -> None:
    (project / "chart/values-old.yaml").write_text("# Compiled from nowhere\n", "utf-8")
    edit("environments/staging.yaml", "jira:", "jirra:")
    assert run("compile", "--prune").code == 1
    assert (project / "chart/values-old.yaml").exists()


@pytest.mark.parametrize(
    "arguments",
    [("prod", "--prune"), ("--prune", "--check"), ("--prune", "--out", "x"), ("--store", "azure")],
)
def test_what_does_not_go_together_is_refused(run: RunCommand, project: Path, arguments: tuple[str, ...]) -> None:
    done = run("compile", *arguments)
    assert (done.code, done.out) == (2, "")
    assert not list((project / "chart").glob("values-*.yaml"))


def _interrupt(*_given: object, **_named: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("where", "arguments", "said"),
    [
        ("commands.compile.compile_project", (), "nothing was written"),
        (
            "commands.compile.write_values_files",
            (),
            "either all values files were written or none; run the command again",
        ),
        ("invocation.Invocation.findings", (), "the values files were written"),
        ("invocation.Invocation.findings", ("--check",), "nothing was written"),
    ],
)
def test_an_interrupt_says_what_was_written(
    run: RunCommand, project: Path, monkeypatch: pytest.MonkeyPatch, where: str, arguments: Sequence[str], said: str
) -> None:
    assert run("compile").code == 0
    assert (project / "chart/values-prod.yaml").exists()
    monkeypatch.setattr(f"compiler.cli.{where}", _interrupt)
    done = run("compile", *arguments)
    assert (done.code, done.err) == (130, f"interrupted; {said}\n")
