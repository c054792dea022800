import pytest

from compiler.cli.invocation import outside
from compiler.refusal import Refusal


def test_the_variable_acts_where_one_environment_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AI_PLATFORM_SECRET_STORE", "azure")
    assert outside(None, ["prod"]).store == "azure"
    assert outside(None, ["prod", "prod"]).store == "azure"
    assert outside("vault", ["prod"]).store == "vault"


@pytest.mark.parametrize(("named", "count"), [([], "none is named"), (["dev", "prod"], "2 are named")])
def test_with_several_a_store_is_a_usage_error(monkeypatch: pytest.MonkeyPatch, named: list[str], count: str) -> None:
    assert outside(None, named).store is None
    with pytest.raises(Refusal, match=f"--store applies to one environment.*{count}"):
        outside("azure", named)
    monkeypatch.setenv("AI_PLATFORM_SECRET_STORE", "azure")
    with pytest.raises(Refusal, match=f"AI_PLATFORM_SECRET_STORE is set.*{count}"):
        outside(None, named)


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AI_PLATFORM_SECRET_STORE", "")
    assert outside(None, []).store is None


@pytest.mark.parametrize("named", [[], ["prod"], ["dev", "prod"]])
def test_a_check_ignores_the_variable_and_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], named: list[str]
) -> None:
    monkeypatch.setenv("AI_PLATFORM_SECRET_STORE", "azure")
    assert outside(None, named, ignores_variable=True).store is None
    assert capsys.readouterr().err.startswith("note: AI_PLATFORM_SECRET_STORE is ignored")
