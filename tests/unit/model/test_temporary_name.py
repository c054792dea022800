from pathlib import Path

from compiler.model.files import is_temporary, temporary_beside


def test_no_two_names_are_alike_and_each_is_known_again() -> None:
    names = {temporary_beside(Path("chart/values-prod.yaml")) for _ in range(100)}
    assert len(names) == 100
    assert {name.parent for name in names} == {Path("chart")}
    assert all(is_temporary(name.name) and name.name.startswith(".values-prod.yaml.") for name in names)


def test_a_long_name_is_still_one_that_a_file_system_takes(tmp_path: Path) -> None:
    temporary = temporary_beside(tmp_path / ("ü" * 120))
    temporary.write_text("", "utf-8")
    assert is_temporary(temporary.name)


def test_what_others_make_is_not_taken_for_it() -> None:
    name = temporary_beside(Path("a")).name
    for other in ("", "a", name[1:], f"{name}~", name.replace(".platform", ""), ".a.0123.platform-secrets-tmp"):
        assert not is_temporary(other)
