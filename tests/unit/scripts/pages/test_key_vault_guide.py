import json
import re
from pathlib import Path

from compiler.project_files import Library
from compiler.stages.load import load_text
from compiler.stages.resolve import catalogue_of
from scripts.pages.key_vault_guide import key_vault_guide

ROOT = Path(__file__).resolve().parents[4]


def guide(text: str) -> str:
    document, diagnostics = load_text("environments/catalogue.yaml", text)
    assert document is not None, diagnostics
    return key_vault_guide(catalogue_of(document))


def test_every_shipped_secret_is_described_by_its_own_name() -> None:
    document = Library(ROOT).catalogue()
    assert document is not None
    catalogue = catalogue_of(document)
    page = key_vault_guide(catalogue)
    for entry in catalogue.entries.values():
        if not entry.remote:
            assert f"| `{entry.target}` |" in page
            continue
        assert f"\n## {entry.remote['azurekv']}\n" in page
        assert all(f"| `{key}` |" in page for key in entry.keys)


def test_each_variant_shows_its_own_json() -> None:
    page = guide(
        "secrets: {github: {description: GitHub, target: t, remote: {azurekv: platform-github}, use: [pat], keys:"
        " {TOKEN: {description: Token, variants: [pat], rotate: 90d}, ID: {description: Id, variants: [app]}}}}"
    )
    shapes = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", page, re.DOTALL)]
    assert shapes == [{"TOKEN": "<Token>"}, {"ID": "<Id>"}]
    assert "With `use: [pat]` (the default):" in page
    assert "| `TOKEN` | Token | `pat` | every 90 days |" in page


def test_optional_keys_come_after_the_plain_value() -> None:
    page = guide(
        "secrets: {ui: {description: UI, target: t, remote: {azurekv: platform-ui}, use: [], keys:"
        " {URL: {description: Url}, EXTRA: {description: Extra, variants: [more]}}}}"
    )
    shapes = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", page, re.DOTALL)]
    assert shapes == [{"URL": "<Url>"}, {"URL": "<Url>", "EXTRA": "<Extra>"}]


def test_a_key_that_lies_elsewhere_is_said_and_not_shown_inside() -> None:
    page = guide(
        "secrets: {github: {description: GitHub, target: t, remote: {azurekv: platform-github}, keys:"
        " {PEM: {description: Pem, remote: {azurekv: {name: app-key, whole: true}}},"
        " ID: {description: Id, remote: {azurekv: {property: app_id}}}, X: {description: Ex}}}}"
    )
    assert json.loads(re.findall(r"```json\n(.*?)```", page, re.DOTALL)[0]) == {"X": "<Ex>"}
    assert "`PEM` is elsewhere: the Key Vault secret `app-key`, its whole value." in page
    assert "`ID` is elsewhere: this secret, its property `app_id`." in page


def test_a_secret_that_key_vault_does_not_hold_is_left_out() -> None:
    assert "only-vault" not in guide("secrets: {x: {target: only-vault, remote: {vault: a/b}, keys: {K: {}}}}")


def test_a_value_that_another_entry_has_is_told_where_it_is() -> None:
    page = guide(
        "secrets: {oidc: {description: OIDC, target: t, remote: {azurekv: platform-oidc}, keys:"
        " {SECRET: {description: Client secret, rotate: 90d, variants: [v]}}},"
        " ui: {description: UI, target: u, remote: {azurekv: platform-ui}, keys:"
        " {OWN: {description: Own}, OIDC: {from: oidc/SECRET}}},"
        " bot: {description: Bot, target: b, keys: {BOT: {from: oidc/SECRET}}}}"
    )
    assert json.loads(re.findall(r"```json\n(.*?)```", page, re.DOTALL)[1]) == {"OWN": "<Own>"}
    assert "`OIDC` is elsewhere: the value of `SECRET` of `oidc`." in page
    assert "| `OIDC` | Client secret | `v` | every 90 days |" in page
    assert "| those of [`platform-oidc`](#platform-oidc) | `b` | Bot | 1 |" in page
