import os
import tomllib
from fnmatch import fnmatch
from pathlib import Path

from compiler.packaged import FILES, chart_files, edited_files

ROOT = Path(__file__).resolve().parents[3]


def test_the_whole_chart_and_nobodys_environment() -> None:
    found = {path.relative_to(ROOT / "chart").as_posix() for path in (ROOT / "chart").rglob("*") if path.is_file()}
    assert {name for name in found if not fnmatch(name, "values-*.yaml")} == set(FILES)
    assert chart_files() == {f"chart/{name}": (ROOT / "chart" / name).read_text("utf-8") for name in FILES}


def test_the_wheel_carries_each_of_its_files() -> None:
    build = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]["targets"]
    carried = build["wheel"]["force-include"]
    assert {name for name in FILES if carried.get(f"chart/{name}") == f"compiler/chart/{name}"} == set(FILES)
    assert {name for name in carried if name.startswith("chart")} == {f"chart/{name}" for name in FILES}
    assert "/chart" in build["sdist"]["include"]


def test_an_edited_file_that_decides_is_found(tmp_path: Path) -> None:
    assert edited_files(tmp_path) == []
    for path, text in chart_files().items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        # As Git writes it on some machines.
        (tmp_path / path).write_bytes(text.replace("\n", "\r\n").encode())
    assert edited_files(tmp_path) == []
    for name in ("README.md", "templates/NOTES.txt", "templates/external-secret.yaml", "values.yaml"):
        with (tmp_path / "chart" / name).open("a") as file:
            file.write("# mine\n")
    assert edited_files(tmp_path) == ["chart/values.yaml", "chart/templates/external-secret.yaml"]
    # A link is not followed, and no pipe waited for.
    (tmp_path / "chart/values.yaml").unlink()
    (tmp_path / "chart/values.yaml").symlink_to("/dev/zero")
    (tmp_path / "chart/templates/external-secret.yaml").unlink()
    os.mkfifo(tmp_path / "chart/templates/external-secret.yaml")
    assert edited_files(tmp_path) == []
