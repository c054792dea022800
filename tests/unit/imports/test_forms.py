import re
import shlex
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from compiler.imports.sources import read_names
from compiler.refusal import Refusal
from tests import providers
from tests.commands import Done, run_command
from tests.pace import allowed
from tests.unit.imports.conftest import STORE, external_secret

SENTINEL = "sentinel-4711"
CLASS = """\
apiVersion: secrets-store.csi.x-k8s.io/v1
kind: SecretProviderClass
metadata: {name: a, namespace: shop}
spec:
  provider: %s
  secretObjects: [{secretName: a, data: [{objectName: word, key: WORD}]}]
  parameters:
    %s
    objects: |
%s
"""


@pytest.fixture
def bring_class(project: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    def run(provider: str, parameters: str, objects: str, *words: str) -> Done:
        text = CLASS % (provider, parameters, "\n".join(f"      {line}" for line in objects.splitlines()))
        (project / "in.yaml").write_text(text, "utf-8")
        return run_command(capsys, "import", "secret-provider-class", "in.yaml", "--environment", "dev", *words)

    return run


VAULT = "- {objectName: word, secretPath: secret/data/a, secretKey: x%s}"
AZURE = "array:\n  - |\n    objectName: word\n    %s"


@pytest.mark.parametrize(
    ("provider", "parameters", "objects", "said"),
    [
        ("vault", "roleName: r", VAULT % ", method: PUT", "`method: PUT` is not supported"),
        ("vault", "roleName: r", VAULT % f", secretArgs: {{a: {SENTINEL}}}", "`secretArgs` is not supported"),
        ("vault", "roleName: r", VAULT % ", encoding: base64", "`encoding: base64` is not supported"),
        ("azure", "keyvaultName: shop", AZURE % "objectType: key", "`objectType: key` is not supported"),
        ("azure", "keyvaultName: shop", AZURE % "objectEncoding: base64", "`objectEncoding: base64` is not supported"),
        ("azure", "keyvaultName: shop", AZURE % "objectFormat: pfx", "`objectFormat: pfx` is not supported"),
        ("azure", "keyvaultName: shop", f"array: [{SENTINEL}", '`objects` has no "word"'),
        ("gcp", f"secrets: {SENTINEL}", "- a", "its provider is not supported"),
    ],
)
def test_what_the_driver_does_and_the_operator_does_not_is_refused(
    bring_class: Callable[..., Done], provider: str, parameters: str, objects: str, said: str
) -> None:
    done = bring_class(provider, parameters, objects)
    assert (done.code, said in done.err) == (1, True), done.err
    assert SENTINEL not in done.out + done.err


def test_a_class_is_imported_into_the_store_that_an_option_names(
    project: Path, bring_class: Callable[..., Done]
) -> None:
    done = bring_class("azure", "keyvaultName: shop", AZURE % "objectType: secret", "--store", "aks=azurekv", "--apply")
    assert done.code == 0, done.err
    written = (project / "environments/dev.yaml").read_text("utf-8")
    assert "name: aks" in written
    assert "vaultUrl: https://shop.vault.azure.net" in written


def test_a_vault_without_an_address_is_the_environments_only_one(bring_class: Callable[..., Done]) -> None:
    done = bring_class("vault", "roleName: r", VAULT % "")
    assert "store vault: as it is; the manifests do not say its address" in done.out
    assert "proof: 1 key " in done.out


def test_the_parameters_mean_settings_of_a_store() -> None:
    assert providers.KEY_VAULT.csi_settings({"keyvaultName": "a", "cloudName": "AzureChinaCloud", "tenantID": "t"}) == {
        "vaultUrl": "https://a.vault.azure.cn",
        "tenantId": "t",
        "environmentType": "ChinaCloud",
    }
    assert providers.VAULT.csi_settings({"vaultAddress": "https://v", "vaultNamespace": "n"}) == {
        "server": "https://v",
        "vaultNamespace": "n",
    }
    assert providers.KEY_VAULT.csi_settings({}) == providers.VAULT.csi_settings({}) == {}


@pytest.mark.parametrize(
    ("line", "names", "refused"),
    [
        ("A=", ("A",), 0),
        ("export A", ("A",), 0),
        ("  A = ''  # why", ("A",), 0),
        ("# A=1", (), 0),
        ("", (), 0),
        (f"A={SENTINEL}", ("A",), 1),
        (f"A=''{SENTINEL}", ("A",), 1),
        (f"A= #{SENTINEL}", ("A",), 0),
        (f"A=#{SENTINEL}", ("A",), 1),
        (f"A=\f{SENTINEL}\u2028\x85", ("A",), 1),
        (f"A=\rB={SENTINEL}", ("A",), 1),
        ("A=\r", ("A",), 0),
        ("apiKey=", ("apiKey",), 0),
        ("api_key=", ("api_key",), 0),
        ("AWS_S3_BUCKET_2", ("AWS_S3_BUCKET_2",), 0),
        (SENTINEL, (), 1),
        # Values alone, which look like names.
        ("sentinel", (), 1),
        ("MIIEvQIBADANBgkq", (), 1),
        ("c2VudGluZWw0NzEx=", (), 1),
        ("JBSWY3DPEHPK3PXP=", (), 1),
        ("c2VudGluZWw0NzEx==", (), 1),
        (f"1A={SENTINEL}", (), 1),
        ("A=${B}", ("A",), 1),
    ],
)
def test_a_line_is_a_name_or_refused_and_never_shown(line: str, names: tuple[str, ...], refused: int) -> None:
    found, file = read_names("a.env", f"{line}\n")
    assert (found, len(file.reasons)) == (names, refused)
    for each in file.reasons:
        assert not any(shown in each.message for shown in ("sentinel", "MIIE", "c2Vu", "JBSW"))
        assert SENTINEL not in each.message + (each.help or "") + each.span.source.text
        assert each.span.line == 1


@pytest.mark.parametrize("line", [f"A={' ' * 900_000}b", "export " * 120_000, "A" * 900_000, f"{' ' * 900_000}=#"])
def test_a_long_line_takes_no_time(line: str) -> None:
    begun = time.process_time()
    assert len(read_names("a.env", line)[1].reasons) == 1
    assert time.process_time() - begun < allowed(2)


def test_a_file_of_many_names_takes_no_time_and_a_larger_one_is_refused() -> None:
    text = "".join(f"A_{number}=\n" for number in range(80_000))
    begun = time.process_time()
    assert len(read_names("a.env", text)[0]) == 80_000
    assert time.process_time() - begun < allowed(5)
    with pytest.raises(Refusal, match=r"a\.env is larger than"):
        read_names("a.env", text + text)


def test_the_advised_command_keeps_each_name_and_no_value(tmp_path: Path) -> None:
    lines = (
        "# of today",
        "DB_PASSWORD=s3ntinel",
        "lower_case=s3ntinel",
        "\texport  api_key = s3ntinel",
        "EMPTY=",
        "empty=",
    )
    file = tmp_path / "input.env"
    file.write_text("\n".join((*lines, "NAME_ALONE ", "_private=", "s3ntinel s3ntinel", "MIISentinel0==")), "utf-8")
    help_text = read_names(str(file), file.read_text("utf-8"))[1].reasons[0].help or ""
    (line,) = re.findall("`(.*)`", help_text)
    done = subprocess.run(shlex.split(line), capture_output=True, text=True, check=True)
    names, found = read_names("a.env", done.stdout)
    assert names == ("DB_PASSWORD", "lower_case", "api_key", "EMPTY", "empty", "NAME_ALONE", "_private")
    assert not found.reasons


def test_the_line_that_prints_the_names_prints_no_value(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("import", "env-example", "--environment", "dev", "--secret", "a")
    (project / "a b.env").write_text(f'export A_B="{SENTINEL}\nc2VudGluZWw=\n{SENTINEL}=="\nC={SENTINEL}\n', "utf-8")
    line = run_command(capsys, *words, "a b.env").err.partition("`")[2].partition("`")[0]
    done = subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, check=True)
    assert done.stdout == "A_B=\nC=\n"
    (reason,) = read_names("<stdin>", "A=b")[1].reasons
    assert reason.help == "keep the names alone; a real value counts as exposed"


def test_names_need_a_secret_and_a_file(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("import", "env-example", "a.env", "--environment", "dev")
    assert "env-example needs --secret" in run_command(capsys, *words).err
    (project / "a.env").write_text("# nothing\n", "utf-8")
    assert "there is no name in a.env" in run_command(capsys, *words, "--secret", "a").err


def test_an_entry_with_other_keys_is_no_second_entry(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("import", "env-example", "a.env", "--environment", "dev", "--secret", "a")
    (project / "a.env").write_text("A=\nB=\n", "utf-8")
    assert run_command(capsys, *words, "--apply").code == 0
    before = (project / "environments/catalogue.yaml").read_text("utf-8")
    (project / "a.env").write_text("A=\nC=\n", "utf-8")
    done = run_command(capsys, *words, "--apply")
    assert (done.code, 'the entry has no key "C"' in done.err) == (1, True)
    assert (project / "environments/catalogue.yaml").read_text("utf-8") == before


def test_names_in_another_order_are_the_same_keys(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("import", "env-example", "a.env", "--environment", "dev", "--secret", "a")
    (project / "a.env").write_text("A=\nB=\n", "utf-8")
    assert run_command(capsys, *words, "--apply").code == 0
    (project / "a.env").write_text("B=\nA=\n", "utf-8")
    done = run_command(capsys, *words)
    assert (done.code, "found 1 object with 2 keys: all taken" in done.out) == (0, True), done


@pytest.mark.parametrize(("old", "new"), [("store: vault\n", ""), ("provider: vault, ", "")])
def test_an_entry_without_a_store_to_read_it_from_is_refused(
    project: Path, capsys: pytest.CaptureFixture[str], old: str, new: str
) -> None:
    words = ("import", "env-example", "a.env", "--secret", "a")
    (project / "a.env").write_text("A=\n", "utf-8")
    assert run_command(capsys, *words, "--environment", "dev", "--apply").code == 0
    base = project / "environments/base.yaml"
    base.write_text(base.read_text("utf-8").replace(old, new), "utf-8")
    done = run_command(capsys, *words, "--environment", "new")
    assert (done.code, done.err.partition("\n")[0]) == (
        1,
        'error: the environment "new" has no store to read "a" from',
    )


@pytest.mark.parametrize(
    ("text", "renames"),
    [
        ("'{{ .x }}'", True),
        ("'{{.x|toString}}'", True),
        ("'{{ index . \"x\" }}'", True),
        ('" {{- .x -}} \\n"', True),
        ('"{{ .x }}\\n"', False),
        ('" {{ .x }}"', False),
        ('" {{- .x }} "', False),
    ],
)
def test_a_text_with_space_outside_of_its_action_is_kept(
    bring: Callable[..., Done], project: Path, text: str, *, renames: bool
) -> None:
    spec = (
        f"target: {{template: {{data: {{KEY: {text}}}}}}}\ndata: [{{secretKey: x, remoteRef: {{key: a, property: x}}}}]"
    )
    done = bring(STORE + external_secret("a", spec), "--apply")
    assert done.code == 0, done
    catalogue = (project / "environments/catalogue.yaml").read_text("utf-8")
    assert ("property: x" in catalogue) is renames
    assert ("template:" in catalogue) is not renames
    if not renames:
        assert f"KEY: {text}" in catalogue


def test_an_empty_template_leaves_the_fetched_keys(bring: Callable[..., Done]) -> None:
    spec = "target: {template: {data: {}}}\ndata: [{secretKey: x, remoteRef: {key: a, property: x}}]"
    done = bring(STORE + external_secret("a", spec))
    assert (done.code, "with x" in done.out) == (0, True)
