from typing import Any

import pytest

from compiler.model.values import SecretChange
from compiler.operations.cutover import Preview, check_edit, preview_edit
from compiler.operations.cutover_gate import CutoverRequest, Mode, Verdict
from compiler.pipeline import Result, compile_project, plan_values, write_values
from tests.unit.operations.cutover.conftest import OUTSIDE, Bench

MOVED = "labels: {team: platform}\nsecrets: {jira: {store: azure}}\n"


def preview(bench: Bench, text: str = MOVED, *, with_dependants: bool = False) -> Preview:
    return preview_edit(bench.environment(), text, bench.root, OUTSIDE, with_dependants=with_dependants)


def found(made: Preview, request: CutoverRequest | None = None) -> list[tuple[str, str, str | None]]:
    checks = check_edit(made, request or CutoverRequest("prod", Mode.TO, ("jira",), "azure"))
    return [(str(each.about), str(each.verdict), each.mend) for each in checks if each.verdict is not Verdict.PASSED]


def compile_all(bench: Bench) -> None:
    project = compile_project(bench.root).project
    assert project is not None
    (bench.root / "chart").mkdir(exist_ok=True)
    files, refused = plan_values(project, bench.root / "chart", "chart", bench.root)
    assert (refused, write_values(files, bench.root)) == ((), ())


def test_an_edit_is_tried_without_writing(bench: Bench) -> None:
    compile_all(bench)
    before = bench.text()
    made = preview(bench)
    assert bench.text() == before
    (switch,) = made.switched
    assert (switch.environment.name, switch.secret, switch.source.id, switch.destination.id) == (
        *("prod", "jira", "vault", "azure"),
    )
    (file,) = made.files
    assert (file.output.shown, file.is_stale, made.stale, made.dependants) == ("chart/values-prod.yaml", True, (), ())
    (change,) = made.changes()["prod"]
    assert (change.title, change.keys_added, change.keys_removed) == ("agents/agent-jira-secrets", (), ())
    assert found(made) == []


def test_the_project_is_compiled_once_before_and_once_after_the_edit(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[object] = []

    def counted(*given: Any) -> Result:  # noqa: ANN401 - the arguments of compile_project
        compiled.append(given)
        return compile_project(*given)

    environment = bench.environment()
    for module in ("pipeline", "operations.cutover"):
        monkeypatch.setattr(f"compiler.{module}.compile_project", counted)
    preview_edit(environment, MOVED, bench.root, OUTSIDE)
    assert len(compiled) == 2


def test_what_was_read_counts_although_the_file_changes_meanwhile(bench: Bench) -> None:
    environment = bench.environment()
    bench.write("prod", "labels: {team: other}\n")
    made = preview_edit(environment, MOVED, bench.root, OUTSIDE)
    assert made.environment.document.source.text == environment.document.source.text


def test_a_new_error_refuses_and_an_old_one_elsewhere_does_not(bench: Bench) -> None:
    bench.write("dev", "secrets: {gihub: {}}\n")
    bench.change("catalogue", "remote: {vault: agents/jira, azurekv: agents-jira}", "remote: {vault: agents/jira}")
    made = preview(bench)
    assert {each.rule for each in made.new} == {"missing-remote", "shared-place"}
    ((about, verdict, mend), *_) = found(made)
    assert (about, verdict, "remote" in str(mend)) == ("compiles", "refused", True)
    assert made.files == ()


def test_a_new_warning_is_shown(bench: Bench) -> None:
    bench.write("dev", "secrets: {jira: {store: azure}}\n")
    assert ("warnings", "noted") in [each[:2] for each in found(preview(bench))]


def test_a_values_file_that_is_stale_is_compiled_first_but_never_stops_the_way_back(bench: Bench) -> None:
    compile_all(bench)
    bench.write("prod", "labels: {team: changed}\n")
    made = preview(bench)
    assert found(made) == [("values-file", "refused", "platform-secrets compile prod")]
    back = found(made, CutoverRequest("prod", Mode.BACK, ("jira",)))
    assert back == [("values-file", "noted", "platform-secrets compile prod")]


def test_a_file_in_the_way_of_the_values_refuses(bench: Bench) -> None:
    (bench.root / "chart").mkdir()
    (bench.root / "chart/values-prod.yaml").write_text("mine: true\n", "utf-8")
    assert [each[:2] for each in found(preview(bench))] == [("compiles", "refused")]


def test_environments_that_extend_the_edited_one_are_named_and_taken_along(bench: Bench) -> None:
    bench.write("canary", "extends: [prod]\n")
    bench.write("own", "extends: [prod]\nsecrets: {jira: {store: vault}}\n")
    bench.write("dev", "labels: {a: b}\n")
    made = preview(bench)
    assert (made.dependants, len(made.switched), len(made.files)) == (("canary",), 1, 1)
    command = "platform-secrets cutover prod jira --to azure --with-dependants"
    assert ("dependants", "refused", command) in found(made)
    taken = preview(bench, with_dependants=True)
    assert [(each.environment.name, each.secret) for each in taken.switched] == [("prod", "jira"), ("canary", "jira")]
    assert {file.environment for file in taken.files} == {"prod", "canary"}
    assert set(taken.changes()) == {"prod", "canary"}
    request = CutoverRequest("prod", Mode.TO, ("jira",), "azure", with_dependants=True)
    assert ("dependants", "noted", None) in found(taken, request)


def test_a_dependant_with_errors_cannot_be_taken_along(bench: Bench) -> None:
    bench.write("canary", "extends: [prod]\nsecrets: {gihub: {}}\n")
    made = preview(bench, with_dependants=True)
    assert [each.rule for each in made.new] == ["unknown-secret"]


@pytest.mark.parametrize(
    "change",
    [
        SecretChange("a/b", "added"),
        SecretChange("a/b", "removed"),
        SecretChange("a/b", "changed", keys_added=("A",)),
        SecretChange("a/b", "changed", keys_removed=("A",)),
    ],
)
def test_an_edit_that_would_change_secrets_or_keys_is_refused(
    bench: Bench, change: SecretChange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("compiler.operations.cutover.compare", lambda *_: (change,))
    assert ("same-keys", "refused", "platform-secrets diff prod") in found(preview(bench))
