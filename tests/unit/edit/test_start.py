from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from compiler.edit.new_project import (
    Platform,
    checked_name,
    known_layers,
    name_of_folder,
    new_chart,
    new_environment,
    new_project,
    write_new,
)
from compiler.refusal import Refusal
from compiler.stages.files import Output
from tests.agents_project import write_agents_project

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SHOP = Platform("shop", "shop")
URL = "https://shop-qa.vault.azure.net"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_agents_project(tmp_path)
    return tmp_path


def refused(call: Callable[[], object]) -> tuple[str, str, str | None]:
    with pytest.raises(Refusal) as caught:
        call()
    return caught.value.kind, caught.value.message, caught.value.help


def test_a_name_must_be_there_and_fit_a_file_and_an_entry() -> None:
    assert checked_name("secret", "a-1") == "a-1"
    assert refused(lambda: checked_name("secret", None))[:2] == ("usage", "the new secret needs a name")
    for name in ("A", "../up", "-a", "a" * 64, ""):
        assert refused(partial(checked_name, "secret", name))[1] == "the secret's name is invalid"


def test_a_project_begins_in_an_empty_folder_and_leaves_gits_files_alone(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new/.gitignore").touch()
    outputs, result = new_project(tmp_path / "new", SHOP)
    assert result.diagnostics == ()
    assert "environments/base.yaml" in {each.shown for each in outputs}
    assert ".gitignore" not in {each.shown for each in outputs}
    (tmp_path / "new/file").touch()
    assert refused(lambda: new_project(tmp_path / "new", SHOP))[:2] == (
        "usage",
        "the folder of a new project must be empty, or in a Git repository",
    )
    kind, message, _ = refused(lambda: new_project(tmp_path / "new/file", SHOP))
    assert (kind, message) == ("cannot run", "the folder cannot be used: file exists")


@pytest.mark.parametrize("place", [".", "secrets"])
def test_a_project_begins_beside_the_other_files_of_a_repository(place: str, tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    folder = tmp_path / place
    kept = ["README.md", "Makefile", ".vscode/settings.json"]
    for name in (*kept, "src/main.go"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("mine\n", "utf-8")
    outputs, result = new_project(folder, SHOP)
    assert result.diagnostics == ()
    shown = {each.shown for each in outputs}
    assert {"environments/base.yaml", "chart/Chart.yaml", ".gitignore"} <= shown
    assert not shown & set(kept)
    write_new(outputs, folder)
    assert {(folder / name).read_text("utf-8") for name in kept} == {"mine\n"}


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ("environments/other.yaml", "environments"),
        ("chart/Chart.yaml", "chart"),
        ("schemas/values.schema.json", "schemas/values.schema.json"),
    ],
)
def test_nothing_of_a_repository_is_replaced(there: str, said: str, tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / there).parent.mkdir()
    (tmp_path / there).write_text("mine\n", "utf-8")
    kind, message, _ = refused(lambda: new_project(tmp_path, SHOP))
    assert (kind, message) == ("usage", f"{said} already exists")
    assert (tmp_path / there).read_text("utf-8") == "mine\n"


def test_a_link_that_leads_nowhere_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "README.md").symlink_to("gone")
    outputs, _ = new_project(tmp_path, SHOP)
    assert "README.md" not in {each.shown for each in outputs}


def test_a_chart_is_never_replaced(root: Path) -> None:
    outputs = new_chart(root)
    write_new(outputs, root)
    assert (root / "chart/Chart.yaml").is_file()
    assert refused(lambda: new_chart(root)) == (
        "usage",
        f"{outputs[0].shown} already exists",
        "move it away first to add the chart again",
    )


def test_an_environment_is_one_file_below_layers_that_exist(root: Path) -> None:
    new = new_environment(root, "qa", ["prod"])
    assert (new.result.diagnostics, new.lacks) == ((), None)
    output = new.output
    assert (output.path, output.text.splitlines()[-1]) == (root / "environments/qa.yaml", "extends: [prod]")
    assert refused(lambda: new_environment(root, "prod", []))[1] == "environments/prod.yaml already exists"
    assert refused(lambda: new_environment(root, "base", []))[1] == '"base" is a reserved name'
    assert refused(lambda: new_environment(root, "qa", ["prd"]))[1:] == (
        'there is no layer "prd"',
        'did you mean "prod"?',
    )


@pytest.mark.parametrize(
    ("folder", "name"), [("shop", "shop"), ("My_Shop 2", "my-shop-2"), ("-x-", "x"), ("a" * 62 + "_b", "a" * 62)]
)
def test_a_platform_is_called_as_its_folder(tmp_path: Path, folder: str, name: str) -> None:
    assert name_of_folder(tmp_path / folder) == name


def test_a_folder_without_a_letter_names_no_platform(tmp_path: Path) -> None:
    kind, message, help_text = refused(lambda: name_of_folder(tmp_path / "___"))
    assert (kind, message) == ("usage", "the folder's name is not valid for a platform")
    assert (help_text or "").startswith("give --name; ")


@pytest.mark.parametrize(
    ("platform", "rule", "path"),
    [
        (Platform("shop", "No_Name"), "invalid-kubernetes-name", "--namespace"),
        (Platform("shop", "shop", server="vault:8200"), "invalid-address", "--server"),
        (Platform("shop", "shop", "azurekv", vault_url="http://x.vault.azure.net"), "invalid-address", "--vault-url"),
    ],
)
def test_what_a_project_is_told_wrongly_is_found_there(
    tmp_path: Path, platform: Platform, rule: str, path: str
) -> None:
    _, result = new_project(tmp_path / "new", platform)
    assert result.failed
    assert (rule, path) in {(each.rule, each.span.path) for each in result.diagnostics}
    assert {each.span.path for each in result.diagnostics} == {path}


def test_every_layer_is_known(root: Path) -> None:
    assert known_layers(root) == ("base", "prod")
    (root / "environments/layers").mkdir()
    (root / "environments/layers/eu.yaml").touch()
    assert known_layers(root) == ("base", "eu", "prod")


def test_an_environment_has_its_store_and_the_address_of_one(root: Path) -> None:
    new = new_environment(root, "qa", [], "azure", {"azurekv": URL})
    assert new.output.text.endswith(f"\nstore: azure\nstores:\n  azure:\n    vaultUrl: {URL}\n")
    assert (new.result.diagnostics, new.lacks) == ((), None)
    # Half and half: what it reads by default stays, and the other store has its address.
    addresses = {"vault": "https://vault.example.com", "azurekv": URL}
    assert new_environment(root, "qa", ["prod"], None, addresses).output.text.splitlines()[2:] == [
        *["extends: [prod]", "stores:", "  vault:", "    server: https://vault.example.com"],
        *["  azure:", f"    vaultUrl: {URL}"],
    ]


def test_what_a_layer_says_already_is_not_said_again(root: Path) -> None:
    prod = new_environment(root, "qa", ["prod"], "azure", {"azurekv": URL}).output.text
    (root / "environments/eu.yaml").write_text(prod, "utf-8")
    again = new_environment(root, "us", ["eu"], "azure", {"azurekv": URL}).output.text
    assert (prod.count("azure:"), prod.count("store: azure")) == (1, 1)
    assert again.splitlines()[1:] == ["# What us sets differently from eu.", "extends: [eu]"]


def test_a_store_without_an_address_is_told(root: Path) -> None:
    assert new_environment(root, "qa", [], "azure").lacks is None
    base = root / "environments/base.yaml"
    base.write_text(base.read_text("utf-8").replace(', vaultUrl: "https://agents.vault.azure.net"', ""), "utf-8")
    assert new_environment(root, "qa", [], "azure").lacks == "vaultUrl"
    assert new_environment(root, "qa", [], "azure", {"azurekv": URL}).lacks is None
    assert new_environment(root, "qa", [], "vault", {"azurekv": URL}).lacks is None


def test_a_store_that_there_is_not_is_refused_with_those_that_are(root: Path) -> None:
    assert refused(lambda: new_environment(root, "qa", [], "azurekv")) == (
        "usage",
        'there is no store "azurekv"',
        'did you mean "azure"?',
    )
    assert refused(lambda: new_environment(root, "qa", [], "blue"))[2] == 'the stores are "vault", "azure"'


def test_an_address_needs_one_store_that_it_is_for(root: Path) -> None:
    base = root / "environments/base.yaml"
    text = base.read_text("utf-8")
    second = "  azure2: {provider: azurekv, name: azure-two}\nsecrets"
    base.write_text(text.replace("secrets", second), "utf-8")
    assert refused(lambda: new_environment(root, "qa", [], None, {"azurekv": URL})) == (
        "usage",
        '--vault-url may be for "azure", "azure2"',
        "choose one with --store, or write its `vaultUrl` into the file",
    )
    chosen = new_environment(root, "qa", [], "azure2", {"azurekv": URL})
    assert f"  azure2:\n    vaultUrl: {URL}\n" in chosen.output.text
    base.write_text("\n".join(line for line in text.splitlines() if "azurekv" not in line), "utf-8")
    assert refused(lambda: new_environment(root, "qa", [], None, {"azurekv": URL})) == (
        "usage",
        "--vault-url is for a store with `provider: azurekv`, and the environment has none",
        "add one to `stores` of environments/base.yaml",
    )
    base.unlink()
    assert refused(lambda: new_environment(root, "qa", [], "vault"))[2] == "there are no stores"


def test_a_wrong_address_is_found_where_it_was_given(root: Path) -> None:
    new = new_environment(root, "qa", [], "azure", {"azurekv": "http://a.vault.azure.net/x"})
    assert {each.span.path for each in new.result.diagnostics} == {"--vault-url"}
    assert new.result.failed


def test_what_an_environment_still_lacks_does_not_keep_it_from_being_made(root: Path) -> None:
    (root / "environments/base.yaml").unlink()
    assert new_environment(root, "first", []).result.diagnostics == ()


def test_layers_with_errors_have_no_stores_to_choose_from(root: Path) -> None:
    (root / "environments/prod.yaml").write_text("extends: [nobody]\n", "utf-8")
    assert refused(lambda: new_environment(root, "qa", ["prod"], "azure"))[0] == "found"


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    output = Output(tmp_path / "file/below.yaml", "file/below.yaml", "")
    assert refused(lambda: write_new([output], tmp_path))[:2] == (
        "cannot run",
        "a folder cannot be created: file exists",
    )
    (tmp_path / "folder").mkdir()
    kind, message, _ = refused(lambda: write_new([Output(tmp_path / "folder", "folder", "")], tmp_path))
    assert (kind, message.startswith("folder ")) == ("cannot run", True)
