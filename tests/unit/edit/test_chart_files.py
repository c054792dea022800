import tomllib
from fnmatch import fnmatch
from pathlib import Path

from compiler import __version__
from compiler.edit.chart import FILES, SCHEMAS, chart_files, checksum, decides, released, schema_files

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


def test_the_schemas_are_as_they_are_shipped() -> None:
    assert schema_files() == {
        f"schemas/{name}.schema.json": (ROOT / f"schemas/{name}.schema.json").read_text("utf-8") for name in SCHEMAS
    }


def test_what_prints_nothing_does_not_decide() -> None:
    every = {*chart_files(), *schema_files()}
    assert {path for path in every if not decides(path)} == {
        *("chart/.helmignore", "chart/README.md", "chart/templates/NOTES.txt"),
        *schema_files(),
    }


def test_this_release_is_recorded() -> None:
    now = {path: checksum(text) for path, text in {**chart_files(), **schema_files()}.items()}
    assert released()[__version__] == now, "run `make schemas`"
    assert checksum("a\r\nb\r\n") == checksum("a\nb\n") != checksum("a\nb")
