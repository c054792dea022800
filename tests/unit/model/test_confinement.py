from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from compiler.model.confinement import is_inside, leads_out

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with a folder, a link to it, and links that lead out; `alias` beside it is a link to the project."""
    root = tmp_path / "project"
    (root / "chart").mkdir(parents=True)
    (tmp_path / "elsewhere/deep").mkdir(parents=True)
    # A neighbour whose name begins as the project's does is no part of it.
    (tmp_path / "project-2").mkdir()
    (root / "inner").symlink_to("chart")
    (root / "outer").symlink_to(tmp_path / "elsewhere")
    (root / "neighbour").symlink_to("../project-2")
    (root / "dangling").symlink_to("../nowhere")
    (root / "loop").symlink_to("loop")
    (root / "itself").symlink_to(".")
    (tmp_path / "alias").symlink_to("project")
    return root


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("chart", False),
        ("chart/new/file", False),
        ("inner/file", False),
        ("itself", False),
        ("itself/chart/file", False),
        ("outer", True),
        ("outer/file", True),
        ("outer/deep/new/file", True),
        ("neighbour/file", True),
        ("dangling", True),
        ("dangling/file", True),
        # The system follows the link before it goes up, so that this is a file in the link's parent.
        ("chart/../outer/deep/../file", True),
        # By its name it is outside: whoever named it meant that.
        ("../elsewhere/file", False),
        ("../project-2/file", False),
        (".", False),
    ],
)
def test_a_name_in_the_project_must_not_lead_out_of_it(root: Path, path: str, *, expected: bool) -> None:
    assert leads_out(root, root / path) is expected


def test_a_project_behind_a_link_has_the_same_rule(root: Path, tmp_path: Path) -> None:
    alias = tmp_path / "alias"
    for project in (root, alias):
        for named in (root, alias):
            assert leads_out(project, named / "outer/file")
            assert not leads_out(project, named / "inner/file")


def test_relative_names_count_from_the_working_folder(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pathlib import Path  # noqa: PLC0415 - at run time here alone

    monkeypatch.chdir(root / "chart")
    assert leads_out(root, Path("../outer/file"))
    assert not leads_out(root, Path("file"))


def test_inside_is_below_and_not_the_folder_itself(root: Path) -> None:
    assert is_inside(root, root / "inner/file")
    assert not is_inside(root, root)
    assert not is_inside(root, root / "neighbour/file")
    assert not is_inside(root, root.parent / "elsewhere")
