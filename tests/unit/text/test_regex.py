from __future__ import annotations

import re

import pytest

from compiler.text.regex import LatePattern, regex


def test_it_does_what_the_pattern_does() -> None:
    name = regex(r"(a+)b", re.IGNORECASE)
    found = name.fullmatch("AAb")
    assert found is not None
    assert found[1] == "AA"
    assert name.fullmatch("AAbc") is None
    assert name.sub("x", "aab ab") == "x x"
    assert name.pattern == r"(a+)b"
    assert name.groups == 1


def test_it_is_compiled_at_its_first_use_and_each_method_is_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[str] = []
    real = LatePattern.compiled

    def watched(pattern: LatePattern) -> re.Pattern[str]:
        compiled.append("compiled")
        return real(pattern)

    monkeypatch.setattr(LatePattern, "compiled", watched)
    name = regex("a+")
    assert compiled == []
    for text in ("a", "b", "aa"):
        name.match(text)
    assert compiled == ["compiled"]


def test_what_a_pattern_has_not_is_none_of_its_own() -> None:
    with pytest.raises(AttributeError):
        regex("a").find  # type: ignore[attr-defined]  # noqa: B018
