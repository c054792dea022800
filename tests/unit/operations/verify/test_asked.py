from pathlib import Path

import pytest

from compiler.live.stores import open_stores_for_reading
from compiler.model.environment import Environment
from compiler.model.provider import Provider
from compiler.model.store import StoreAddress
from compiler.model.values import values_of
from compiler.operations.references import cells_of_file, named_cells
from compiler.refusal import Refusal
from compiler.stages.emit import values_text
from compiler.stores.interface import StoreOptions
from tests import providers


def test_an_environment_asks_its_own_stores_or_the_one_that_is_named(environment: Environment) -> None:
    references, diagnostics = named_cells(environment, ["github"])
    assert diagnostics == ()
    assert {(each.secret, each.store.id) for each in references} == {("github", "vault")}
    other, _ = named_cells(environment, ["github"], "azure")
    assert {each.store.id for each in other} == {"azure"}
    assert {each.secret for each in named_cells(environment)[0]} == set(environment.secrets)


@pytest.mark.parametrize(("secrets", "store", "said"), [(["gihub"], None, "no secret"), ([], "vlt", "no store")])
def test_what_the_environment_does_not_have_is_refused(
    environment: Environment, secrets: list[str], store: str | None, said: str
) -> None:
    with pytest.raises(Refusal, match=said) as caught:
        named_cells(environment, secrets, store)
    assert caught.value.kind == "usage"


def written(folder: Path, text: str) -> str:
    path = folder / "values.yaml"
    path.write_text(text, "utf-8")
    return str(path)


@pytest.fixture
def values(environment: Environment, tmp_path: Path) -> str:
    return written(tmp_path, values_text(values_of(environment), "prod", ["prod.yaml"]))


def test_a_values_file_is_asked_by_itself(values: str, environment: Environment) -> None:
    references, diagnostics = cells_of_file(values, ["github"], {"VAULT_ADDR": "https://vault.example.com"})
    assert diagnostics == ()
    expected, _ = named_cells(environment, ["github"])
    assert [each.key for each in references or ()] == [each.key for each in expected] != []
    assert {
        each.secret for each in cells_of_file(values, [], {"VAULT_ADDR": "https://vault.example.com"})[0] or ()
    } == set(environment.secrets)


def test_an_environments_name_is_not_taken_for_a_secret_in_silence(values: str) -> None:
    with pytest.raises(Refusal) as caught:
        cells_of_file(values, ["github", "gihub"], {})
    assert (caught.value.kind, caught.value.message) == ("usage", f'"{values}" has no secret "gihub"')
    assert caught.value.help == 'with --values, name secrets only, no environment; did you mean "github"?'


@pytest.mark.parametrize("text", ["", "a: b\n"])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(Refusal, match='has no "externalSecrets"') as caught:
        cells_of_file(written(tmp_path, text), [], {})
    assert caught.value.kind == "usage"


@pytest.mark.parametrize(
    ("text", "rule"),
    [(None, "unreadable-file"), ("a: [", "invalid-yaml"), ("externalSecrets: {github: hello}\n", "wrong-type")],
)
def test_what_is_wrong_with_a_file_is_told_under_the_name_it_was_given_by(
    tmp_path: Path, text: str | None, rule: str
) -> None:
    shown = str(tmp_path / "none.yaml") if text is None else written(tmp_path, text)
    references, diagnostics = cells_of_file(shown, [], {})
    assert references is None
    assert {(each.rule, each.span.path) for each in diagnostics} == {(rule, shown)}
    if text is not None:
        ways_out = {each.help for each in diagnostics}
        assert ways_out == {"nobody edits a values file: `platform-secrets compile` writes it"}


class _Opened:
    def close(self) -> None:
        pass


def test_a_store_that_does_not_answer_is_given_up_after_half_a_minute(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[tuple[Provider, float]] = []

    def opener(address: StoreAddress, _environ: object, options: StoreOptions) -> _Opened:
        opened.append((address.provider, options.retry.patience))
        return _Opened()

    monkeypatch.setattr("compiler.live.stores.open_store", opener)
    with open_stores_for_reading({}) as stores:
        stores.open(environment.stores["vault"])
    assert opened == [(providers.VAULT, 30.0)]


def test_nested_values_ask_the_same_at_their_own_lines(values: str, environment: Environment, tmp_path: Path) -> None:
    environ = {"VAULT_ADDR": "https://vault.example.com"}
    plain = cells_of_file(values, [], environ)[0] or ()
    text = values_text(values_of(environment), "prod", ["prod.yaml"], "secrets")
    nested, diagnostics = cells_of_file(written(tmp_path, text), [], environ)
    assert diagnostics == ()
    assert [(each.secret, each.key, each.remote_key, each.property) for each in nested or ()] == [
        (each.secret, each.key, each.remote_key, each.property) for each in plain
    ]
    assert [(each.key_at.line, each.key_at.column) for each in nested or ()] == [
        (each.key_at.line + 1, each.key_at.column + 2) for each in plain
    ]


def test_nested_values_are_held_against_the_schema(environment: Environment, tmp_path: Path) -> None:
    text = values_text({**values_of(environment), "password": "hunter2"}, "prod", ["prod.yaml"], "secrets")
    references, diagnostics = cells_of_file(written(tmp_path, text), [], {})
    assert references is None
    assert [each.rule for each in diagnostics] == ["unknown-key"]


def test_a_parents_own_values_are_not_taken_for_a_compiled_file(environment: Environment, tmp_path: Path) -> None:
    text = values_text(values_of(environment), "prod", ["prod.yaml"], "secrets") + "shop: {password: hunter2}\n"
    with pytest.raises(Refusal, match='has no "externalSecrets"') as caught:
        cells_of_file(written(tmp_path, text), [], {})
    assert caught.value.help == "name a compiled values file, chart/values-<env>.yaml"
