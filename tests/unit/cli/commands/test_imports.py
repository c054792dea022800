from pathlib import Path

import pytest

from compiler.cli.commands import imports
from compiler.cli.commands.imports import import_content, import_lines
from compiler.imports.forms import FoundKey, FoundSecret
from compiler.imports.found_stores import SourceStore
from compiler.imports.plan import ImportPlan, PlannedSecret, PlannedStore
from compiler.imports.proof import Counts
from compiler.model.document import Source, Span
from compiler.pipeline import Result
from compiler.stores.registry import PROVIDERS
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


AT = Span(Source("in.yaml"))
STORE = PlannedStore("backend", SourceStore("", "backend", PROVIDERS["vault"]), is_new=True, changes={"mount": "kv"})
KEYS = tuple(FoundKey(f"KEY_{number}", STORE.source, "a", None, AT) for number in range(14))
SECRET = PlannedSecret("db", FoundSecret("shop", "shop-db", KEYS, AT), STORE, None, {}, ())
PLAN = ImportPlan("dev", (), (SECRET,), (STORE,), (), Result(None, ()))
PROOF = {"found": Counts(2, 15), "taken": Counts(1, 14), "refused": Counts(1, 1)}


def test_the_plan_names_what_it_takes_and_what_it_does_not_know() -> None:
    lines = ["".join(map(str, line)) for line in import_lines(PLAN, PROOF)]
    assert lines[0] == "store backend: new, mount kv; the manifests do not say its address"
    assert lines[1].startswith("secret db: shop/shop-db with KEY_0, KEY_1")
    assert lines[1].endswith(" and 2 more")
    assert lines[3] == "found 2 objects with 15 keys: 1 object with 14 keys taken, 1 object with 1 key refused"
    assert lines[4] == "proof: 14 keys read as before by the compiled environment: same store, name and property"


def test_a_report_without_a_plan_has_the_same_members() -> None:
    whole = import_content("external-secrets", PLAN, PROOF, applied=True)
    nothing = import_content("external-secrets", None, None, applied=False)
    assert whole.keys() == nothing.keys()
    assert nothing["counts"] is None
    assert len(whole["secrets"][0]["keys"]) == 14


@pytest.mark.parametrize(
    ("taken", "refused", "said"),
    [(Counts(2, 15), Counts(0, 0), "all taken"), (Counts(0, 0), Counts(2, 15), "none taken")],
)
def test_what_is_all_or_nothing_is_said_without_numbers(taken: Counts, refused: Counts, said: str) -> None:
    proof = {"found": Counts(2, 15), "taken": taken, "refused": refused}
    lines = ["".join(map(str, line)) for line in import_lines(PLAN, proof)]
    assert f"found 2 objects with 15 keys: {said}" in lines
