import grp
import itertools
import os
import pwd
from pathlib import Path

import pytest

from compiler.model.files import foreign_part, is_inside, leads_out


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


@pytest.mark.parametrize("named", ["project", "alias"])
def test_inside_is_where_the_links_lead(root: Path, named: str) -> None:
    (root / "chart/out").symlink_to("../../elsewhere")
    # Beside it, and with its whole name somewhere else.
    others = [root.parent / "project-2/file", root.parent / "elsewhere" / root.relative_to("/") / "file"]
    below = (*os.listdir(root), "missing", "..", "../project-2", "a/../../project/chart", "chart/out")  # noqa: PTH208
    names: list[str | Path] = [*below, *others]
    for parts in itertools.product(names, repeat=2):
        path = (root.parent / named).joinpath(*parts)
        leads_to = Path(os.path.realpath(path))  # resolve() refuses a loop
        assert is_inside(root.parent / named, path) == (root.resolve() in leads_to.parents), path


STRANGER = 54_321
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of the caller's with a file that only the caller changes."""
    made = tmp_path / "environments"
    made.mkdir(mode=0o755)
    (made / "prod.yaml").touch(0o644)
    return made


def test_what_is_the_callers_own_is_no_strangers(folder: Path, tmp_path: Path) -> None:
    assert foreign_part((folder, tmp_path / "none")) is None
    (folder / "gone.yaml").symlink_to("nowhere")
    (folder / "README.md").touch(0o666)
    assert foreign_part((folder,)) is None


@needs_root
@pytest.mark.parametrize("name", ["", "prod.yaml"])
def test_another_users_folder_or_file_is_named(folder: Path, name: str) -> None:
    os.chown(folder / name, STRANGER, -1)
    assert foreign_part((folder,)) == (folder / name, "belongs to another user")


@needs_root
def test_a_link_is_judged_by_what_it_leads_to(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "shared.yaml").touch(0o644)
    os.chown(tmp_path / "shared.yaml", STRANGER, -1)
    (folder / "qa.yaml").symlink_to("../shared.yaml")
    assert foreign_part((folder,)) == (folder / "qa.yaml", "belongs to another user")


@pytest.mark.parametrize("mode", [0o666, 0o646, 0o602])
@pytest.mark.parametrize("name", ["", "prod.yaml"])
def test_what_everybody_may_write_is_named(folder: Path, name: str, mode: int) -> None:
    (folder / name).chmod(mode | 0o500)
    assert foreign_part((folder,)) == (folder / name, "can be changed by other users")


@pytest.mark.parametrize(
    ("name", "others", "is_foreign"),
    [("me", [], False), ("me", ["me"], False), ("me", ["bob"], True), ("team", [], True), (None, [], True)],
)
def test_a_group_that_has_the_caller_alone_may_write(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str | None, others: list[str], *, is_foreign: bool
) -> None:
    (folder / "prod.yaml").chmod(0o664)

    def group(_number: int) -> grp.struct_group:
        if name is None:
            raise KeyError
        return grp.struct_group((name, "x", 7, others))

    me = pwd.struct_passwd(("me", "x", 7, 7, "", "/", ""))
    monkeypatch.setattr("grp.getgrgid", group)
    monkeypatch.setattr("pwd.getpwuid", lambda _number: me)
    assert (foreign_part((folder,)) is not None) is is_foreign
