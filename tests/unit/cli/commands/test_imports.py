from pathlib import Path

import pytest

from compiler.cli.commands import imports
from tests.commands import run_command


@pytest.mark.parametrize(
    ("words", "message", "way_out"),
    [
        (["external-secrets", "a"], "no environment is named", "--environment"),
        (["external-secrets", "--environment", "dev"], "nothing to import", "name files or folders"),
        (["external-secrets", "a", "--environment", "Dev"], "the environment's name is invalid", "lower-case"),
        (["external-secret", "a", "--environment", "dev"], 'unknown FORM "external-secret"', '"external-secrets"'),
        (["external-secrets", "a", "--environment", "d", "--server", "u"], "--server needs --store", "add --store"),
        (["external-secrets", "gone", "--environment", "dev"], "gone cannot be read", "name a file or a folder"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_a_way_out(
    words: list[str],
    message: str,
    way_out: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    run_command(capsys, "new", "project")
    done = run_command(capsys, "import", *words)
    assert done.code == 2
    assert message in done.err
    assert way_out in done.err
    assert "Shows the plan first" in imports.DESCRIPTION


def test_an_object_says_once_what_its_keys_share_and_the_report_has_the_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    run_command(capsys, "new", "project")
    keys = "".join(f"  - {{secretKey: K{n}, remoteRef: {{key: app, property: K{n}}}}}\n" for n in range(3))
    (tmp_path / "app.yaml").write_text(
        "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: {name: app, namespace: shop}\n"
        f"spec:\n  secretStoreRef: {{kind: ClusterSecretStore, name: gone}}\n  data:\n{keys}"
    )
    done = run_command(capsys, "import", "external-secrets", "app.yaml", "--environment", "dev", "--format", "json")
    assert (done.code, done.report["exitCode"]) == (1, 1)
    assert [each["message"].count("is not among what was read") for each in done.report["diagnostics"]] == [1]
