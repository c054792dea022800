from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from compiler.operations.edit.scaffold import new_secret
from compiler.operations.edit.start import (
    catalogue_to_extend,
    checked_name,
    new_chart,
    new_entry,
    new_environment,
    new_project,
    write_new,
)
from compiler.refusal import Refusal
from compiler.stages.write import Output
from tests.agents_project import write_agents_project

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

GRAFANA = new_secret("grafana", None, None, {}, ())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_agents_project(tmp_path)
    return tmp_path


def refused(call: Callable[[], object]) -> tuple[str, str, str | None]:
    with pytest.raises(Refusal) as caught:
        call()
    return caught.value.kind, caught.value.message, caught.value.help


def test_a_name_must_be_there_and_fit_a_file_and_an_entry() -> None:
    assert checked_name("secret", "a-1") == "a-1"
    assert refused(lambda: checked_name("secret", None))[:2] == ("usage", "the new secret needs a name")
    for name in ("A", "../up", "-a", "a" * 64, ""):
        assert refused(partial(checked_name, "secret", name))[1] == "the secret's name is invalid"


def test_a_project_begins_in_an_empty_folder_and_leaves_gits_files_alone(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new/.gitignore").touch()
    outputs = new_project(tmp_path / "new")
    assert "environments/base.yaml" in {each.shown for each in outputs}
    assert ".gitignore" not in {each.shown for each in outputs}
    (tmp_path / "new/file").touch()
    assert refused(lambda: new_project(tmp_path / "new"))[:2] == (
        "usage",
        "the folder of a new project must be empty",
    )
    kind, message, _ = refused(lambda: new_project(tmp_path / "new/file"))
    assert (kind, message) == ("cannot run", "the folder cannot be used: file exists")


def test_a_chart_is_never_replaced(root: Path) -> None:
    outputs = new_chart(root)
    write_new(outputs, root)
    assert (root / "chart/Chart.yaml").is_file()
    assert refused(lambda: new_chart(root)) == (
        "usage",
        f"{outputs[0].shown} already exists",
        "move it away first to add the chart again",
    )


def test_an_environment_is_one_file_below_layers_that_exist(root: Path) -> None:
    (output,) = new_environment(root, "qa", ["prod"])
    assert (output.path, output.text.splitlines()[-1]) == (root / "environments/qa.yaml", "extends: [prod]")
    assert refused(lambda: new_environment(root, "prod", []))[1] == "environments/prod.yaml already exists"
    assert refused(lambda: new_environment(root, "base", []))[1] == '"base" is a reserved name'
    assert refused(lambda: new_environment(root, "qa", ["prd"]))[1:] == (
        'there is no layer "prd"',
        'did you mean "prod"?',
    )


def test_an_entry_is_added_to_a_catalogue_without_errors(root: Path) -> None:
    document, found = catalogue_to_extend(root)
    assert (document is not None, found) == (True, ())
    assert document is not None
    (output,), found = new_entry(root, document, GRAFANA)
    assert (output.shown, found) == ("environments/catalogue.yaml", ())
    assert output.text.startswith(document.source.text.rstrip("\n"))
    taken = next(iter(document.root.nearest("secrets").children))
    again = new_secret(taken, None, None, {}, ())
    assert refused(lambda: new_entry(root, document, again))[1] == f'the catalogue already has a secret "{taken}"'
    outputs, found = new_entry(root, document, new_secret("grafana", None, None, {"azurekv": "a_b"}, ()))
    assert (outputs, [each.rule for each in found]) == ([], ["invalid-key-vault-name"])


def test_a_value_is_no_argument_and_is_not_repeated(root: Path) -> None:
    document, _ = catalogue_to_extend(root)
    assert document is not None
    kind, message, way_out = refused(
        lambda: new_entry(root, document, new_secret("pay", None, None, {}, ("PAY_TOKEN=hunter2",)))
    )
    assert (kind, message.startswith("a value cannot be an argument")) == ("usage", True)
    assert "hunter2" not in message + (way_out or "")


def test_what_is_wrong_with_an_entry_points_at_a_line_that_exists(root: Path) -> None:
    document, _ = catalogue_to_extend(root)
    assert document is not None
    outputs, found = new_entry(root, document, new_secret("pay", None, None, {}, ("PAY TOKEN",)))
    assert outputs == []
    assert {each.rule for each in found} >= {"invalid-kubernetes-name"}
    assert {each.span.source for each in found} == {document.source}


def test_nothing_is_added_to_a_catalogue_with_errors(root: Path) -> None:
    path = root / "environments/catalogue.yaml"
    path.write_text(path.read_text("utf-8").replace("target:", "tarket:", 1), "utf-8")
    document, found = catalogue_to_extend(root)
    assert document is None
    assert "unknown-key" in {each.rule for each in found}


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    output = Output(tmp_path / "file/below.yaml", "file/below.yaml", "")
    assert refused(lambda: write_new([output], tmp_path))[:2] == (
        "cannot run",
        "a folder cannot be created: file exists",
    )
    (tmp_path / "folder").mkdir()
    kind, message, _ = refused(lambda: write_new([Output(tmp_path / "folder", "folder", "")], tmp_path))
    assert (kind, message.startswith("folder ")) == ("cannot run", True)
