from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from compiler.model.diagnostic import Diagnostic, Severity
from compiler.model.document import Source, Span
from compiler.operations.values_files import ValuesOutcome, first_named, unmade_stores, write_values_files
from compiler.pipeline import compile_project
from tests.agents_project import write_agents_project

WARNING = Diagnostic("some-rule", Severity.WARNING, "look", Span(Source("environments/prod.yaml")))
ERROR = Diagnostic("some-rule", Severity.ERROR, "no", Span(Source("environments/prod.yaml")))


@pytest.fixture(autouse=True)
def _project(tmp_path: Path) -> None:
    write_agents_project(tmp_path)


def done(root: Path, found: Sequence[Diagnostic] = (), **options: Any) -> ValuesOutcome:  # noqa: ANN401
    project = compile_project(root).project
    assert project is not None
    return write_values_files(project, root, found, **options)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*")) if folder.is_dir() else []


def test_every_file_is_written_into_the_charts_folder_or_another(tmp_path: Path) -> None:
    written = done(tmp_path, [WARNING])
    assert (written.is_written, written.failed, written.diagnostics) == (True, False, (WARNING,))
    assert names(tmp_path / "chart") == ["values-prod.yaml"]
    assert done(tmp_path, out=str(tmp_path / "a/b")).files[0].output.shown == f"{tmp_path}/a/b/values-prod.yaml"
    assert names(tmp_path / "a/b") == ["values-prod.yaml"]


def test_an_error_that_is_known_already_leaves_all_as_it_is(tmp_path: Path) -> None:
    written = done(tmp_path, [ERROR])
    assert (written.is_written, written.failed, written.diagnostics) == (False, True, (ERROR,))
    assert names(tmp_path / "chart") == []


def test_a_check_writes_nothing_and_names_what_is_stale(tmp_path: Path) -> None:
    written = done(tmp_path, is_check=True)
    assert (written.is_written, [each.rule for each in written.diagnostics]) == (False, ["stale-values"])
    assert names(tmp_path / "chart") == []
    done(tmp_path)
    assert done(tmp_path, is_check=True).diagnostics == ()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    # Nobody makes a folder there, root included.
    written = done(tmp_path, out="/proc/nowhere")
    assert (written.is_written, [each.rule for each in written.diagnostics]) == (False, ["unwritable-output"])
    assert written.diagnostics[0].help == "name another folder with `--out`"


def test_files_without_an_environment_go_with_what_was_said_of_them(tmp_path: Path) -> None:
    done(tmp_path)
    (tmp_path / "chart/values-prod.yaml").rename(tmp_path / "chart/values-old.yaml")
    result = compile_project(tmp_path)
    assert [each.rule for each in result.diagnostics] == ["orphan-values"]
    written = done(tmp_path, result.diagnostics, prunes=True)
    assert (written.pruned, written.diagnostics) == (("chart/values-old.yaml",), ())
    assert names(tmp_path / "chart") == ["values-prod.yaml"]


def test_a_store_is_said_to_be_made_elsewhere_once(tmp_path: Path) -> None:
    written = done(tmp_path)
    project = compile_project(tmp_path).project
    assert project is not None
    (note,) = unmade_stores(first_named(project, written.files))
    (store,) = project.environments[0].stores_in_use()
    assert note.startswith(
        f'this project does not make the ClusterSecretStore "{store.name}": it has to be in the cluster'
    )
    assert f"platform-secrets new store {store.id} --auth " in note
    # The values file has its name now.
    assert first_named(project, done(tmp_path).files) == []
    assert list(unmade_stores(replace(store, rendered=True) for _ in range(2))) == []
