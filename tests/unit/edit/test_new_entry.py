from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from compiler.edit.new_entry import (
    FORMS,
    Names,
    SecretRequest,
    StoreRequest,
    _entry_lines,
    find_form,
    names_of,
    new_secret,
    new_store,
)
from compiler.edit.new_project import write_new
from compiler.edit.yaml_edit import add_members, apply_splices
from compiler.model.document import Document
from compiler.model.environment import pass_text
from compiler.pipeline import Result, compile_project, plan_values
from compiler.refusal import Refusal
from compiler.rules import incomplete_auth
from compiler.stages.load import load_text
from compiler.stores.registry import PROVIDERS
from compiler.text.go_template import read_template
from tests.platforms import CATALOGUE, write_agents_project

NAMING = '\nnaming: {target: "{name}-{secret}", vault: "{namespace}/{secret}", azurekv: "{namespace}-{secret}"}\n'
# Of pull secrets.
SERVERS = ("ghcr.io", "registry.example.com:5000", "https://index.docker.io/v1/", "example.azurecr.io/team")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_agents_project(tmp_path, entries=NAMING)
    return tmp_path


def wanted(
    name: str = "db", *keys: str, into: tuple[str, ...] = (), namespace: str | None = None, **names: str
) -> SecretRequest:
    return SecretRequest(name, None, names, keys or ("DB_PASSWORD",), into, namespace)


def refused(root: Path, want: SecretRequest) -> tuple[str, str | None]:
    with pytest.raises(Refusal) as caught:
        new_secret(root, want)
    assert caught.value.kind == "usage"
    return caught.value.message, caught.value.help


def listed_by(result: Result, secret: str) -> list[str]:
    assert result.project is not None
    return [each.name for each in result.project.environments if secret in each.secrets]


def test_an_entry_is_added_with_the_names_of_the_patterns(root: Path) -> None:
    outputs, unchanged, result = new_secret(root, wanted())
    (output,) = outputs
    old = (root / "environments/catalogue.yaml").read_text("utf-8")
    added = output.text.replace(old.removesuffix(NAMING), "", 1).removesuffix(NAMING)
    assert added.split() == [
        *["db:", "target:", "agents-db", "remote:", "vault:", "agents/db", "azurekv:", "agents-db"],
        *["keys:", "DB_PASSWORD:", "{}"],
    ]
    assert (result.diagnostics, listed_by(result, "db"), unchanged) == ((), [], [])


def test_what_somebody_added_meanwhile_is_not_lost_and_modes_stay(root: Path) -> None:
    catalogue = root / "environments/catalogue.yaml"
    catalogue.chmod(0o640)
    first, second = (new_secret(root, wanted(name))[0] for name in ("db", "cache"))
    write_new(first, root)
    assert catalogue.stat().st_mode & 0o777 == 0o640
    with pytest.raises(Refusal) as caught:
        write_new(second, root)
    assert "catalogue.yaml was changed by somebody else meanwhile" in caught.value.message
    assert caught.value.help == "run the command again"
    assert "  db:" in catalogue.read_text("utf-8")
    catalogue.chmod(0o440)
    read_only, _, _ = new_secret(root, wanted("cache"))
    with pytest.raises(Refusal, match=r"catalogue\.yaml is read-only"):
        write_new(read_only, root)


def test_it_is_listed_where_it_is_wanted(root: Path) -> None:
    outputs, _, result = new_secret(root, wanted(into=("base", "prod", "base")))
    assert [output.shown for output in outputs] == [
        "environments/catalogue.yaml",
        "environments/base.yaml",
        "environments/prod.yaml",
    ]
    assert "secrets: {github: {}, jira: {}, db: {}}\n" in outputs[1].text
    assert outputs[2].text == "labels: {team: platform}\nsecrets:\n  db: {}\n"
    assert listed_by(result, "db") == ["prod"]
    # Once is enough, and it is told that the second says nothing new.
    assert [(each.rule, each.span.path) for each in result.diagnostics] == [("unused-override", "--into")]


def test_a_file_that_lists_it_already_stays(root: Path) -> None:
    (root / "environments/prod.yaml").write_text("secrets: {db: {}}\n", "utf-8")
    outputs, unchanged, result = new_secret(root, wanted(into=("prod",)))
    assert (len(outputs), unchanged) == (1, ["environments/prod.yaml"])
    assert listed_by(result, "db") == ["prod"]


def test_it_may_be_listed_in_another_namespace(root: Path) -> None:
    outputs, _, result = new_secret(root, wanted(into=("prod",), namespace="web"))
    assert outputs[1].text.endswith("secrets:\n  db: {namespace: web}\n")
    assert result.project is not None
    assert result.project.environments[0].secrets["db"].namespace == "web"
    # The patterns' is that of base.yaml.
    assert "vault: agents/db\n" in outputs[0].text


def test_a_file_that_lists_it_in_another_namespace_is_left_to_people(root: Path) -> None:
    (root / "environments/prod.yaml").write_text("secrets: {db: {namespace: web}}\n", "utf-8")
    assert refused(root, wanted(into=("prod",), namespace="wep")) == (
        'environments/prod.yaml lists "db" already, and not in "wep"',
        "write `namespace` there, and leave --namespace out",
    )
    _, unchanged, _ = new_secret(root, wanted(into=("prod",), namespace="web"))
    assert unchanged == ["environments/prod.yaml"]


def test_a_layer_is_one_of_the_files(root: Path) -> None:
    (root / "environments/layers").mkdir()
    (root / "environments/layers/eu.yaml").write_text("", "utf-8")
    outputs, _, _ = new_secret(root, wanted(into=("eu",)))
    assert outputs[1].shown == "environments/layers/eu.yaml"


def test_what_is_taken_or_unknown_is_refused(root: Path) -> None:
    assert refused(root, wanted("jira")) == (
        'the catalogue already has a secret "jira"',
        "choose another name, or edit the entry",
    )
    _, help_text = refused(root, wanted("jira", into=("prod",)))
    assert (help_text or "").endswith(", or write `jira: {}` under `secrets:` there to list it")
    _, help_text = refused(root, wanted("jira", into=("prod",), namespace="web"))
    assert (help_text or "").endswith(", or write `jira: {namespace: web}` under `secrets:` there to list it")
    assert refused(root, wanted(into=("prd",))) == ('there is no environment or layer "prd"', 'did you mean "prod"?')


@pytest.mark.parametrize(
    ("want", "rule", "path", "marked"),
    [
        (wanted("db", "A B"), "invalid-kubernetes-name", "--key", "A B"),
        (wanted(azurekv="a_b"), "invalid-key-vault-name", "--azurekv", "a_b"),
        (wanted(vault="/a"), "invalid-vault-path", "--vault", "/a"),
        (wanted(into=("prod",), namespace="A_b"), "invalid-kubernetes-name", "--namespace", "A_b"),
        (wanted(target="A_b"), "invalid-kubernetes-name", "--target", "A_b"),
        (wanted("d" * 60), "invalid-kubernetes-name", "environments/catalogue.yaml", '"{name}-{secret}"'),
    ],
)
def test_a_wrong_name_is_found_where_it_was_given(
    root: Path, want: SecretRequest, rule: str, path: str, marked: str
) -> None:
    _, _, result = new_secret(root, want)
    assert result.failed
    found = next(each for each in result.diagnostics if each.rule == rule)
    assert (found.span.path, found.span.source.text[found.span.start : found.span.end]) == (path, marked)
    assert found.help
    assert ("--target gives" in found.help) == (path == "environments/catalogue.yaml")


def test_the_environments_that_are_to_list_it_are_judged_too(root: Path) -> None:
    (root / "environments/prod.yaml").write_text("store: azure\n", "utf-8")
    text = (root / "environments/catalogue.yaml").read_text("utf-8")
    (root / "environments/catalogue.yaml").write_text(text.replace(', azurekv: "{namespace}-{secret}"', ""), "utf-8")
    _, _, result = new_secret(root, wanted(into=("prod",)))
    assert [each.rule for each in result.diagnostics] == ["missing-remote"]


@pytest.mark.parametrize("path", ["environments/catalogue.yaml", "environments/prod.yaml"])
def test_nothing_is_added_to_a_file_with_errors(root: Path, path: str) -> None:
    (root / path).write_text((root / path).read_text("utf-8") + "typo: 1\n", "utf-8")
    outputs, _, result = new_secret(root, wanted(into=("prod",)))
    assert (outputs, {each.rule for each in result.diagnostics}) == ([], {"unknown-key"})


def test_a_pattern_with_a_fault_is_reported(root: Path) -> None:
    text = (root / "environments/catalogue.yaml").read_text("utf-8")
    (root / "environments/catalogue.yaml").write_text(text.replace("{name}", "{nam}"), "utf-8")
    outputs, _, result = new_secret(root, wanted())
    assert (outputs, [each.rule for each in result.diagnostics]) == ([], ["invalid-naming-pattern"])


def test_the_namespace_may_come_from_below_base(root: Path) -> None:
    base = root / "environments/base.yaml"
    base.write_text("extends: [all]\n" + base.read_text("utf-8").replace("namespace: agents\n", ""), "utf-8")
    (root / "environments/layers").mkdir()
    (root / "environments/layers/all.yaml").write_text("namespace: below\n", "utf-8")
    outputs, _, _ = new_secret(root, wanted())
    assert "vault: below/db\n" in outputs[0].text


def test_a_key_may_have_the_value_of_another_and_needs_no_place_then(root: Path) -> None:
    outputs, _, result = new_secret(
        root, SecretRequest("ui", None, {}, (), ("base",), taken={"TOKEN": "jira/JIRA_TOKEN"})
    )
    assert result.diagnostics == ()
    added = outputs[0].text[outputs[0].text.index("  ui:") :].removesuffix(NAMING)
    assert added.split() == [
        "ui:",
        "target:",
        "agents-ui",
        "keys:",
        "TOKEN:",
        "{from:",
        "jira/JIRA_TOKEN}",
    ]
    outputs, _, result = new_secret(
        root, SecretRequest("ui", None, {}, ("OWN",), (), taken={"TOKEN": "jira/JIRA_TOKEN"})
    )
    assert "    remote:\n      vault: agents/ui\n" in outputs[0].text


def test_a_key_of_another_that_there_is_not_is_told_at_the_option(root: Path) -> None:
    _, _, result = new_secret(root, SecretRequest("ui", None, {}, (), (), taken={"TOKEN": "jira/JIRA_TOKN"}))
    (found,) = result.diagnostics
    assert (found.rule, found.span.path, found.help) == ("unknown-source", "--from", 'did you mean "JIRA_TOKEN"?')
    _, _, result = new_secret(
        root, SecretRequest("ui", None, {"vault": "a/ui"}, (), (), taken={"TOKEN": "jira/JIRA_TOKEN"})
    )
    assert [each.rule for each in result.diagnostics] == ["unread-remote"]


def request(name: str, said: Mapping[str, str | None] | None = None) -> SecretRequest:
    return SecretRequest(name, None, said or {}, ("KEY",))


def texts(names: Names) -> dict[str, str]:
    return {name: text for name, (text, _) in names.items()}


PATTERNS = (
    'naming: {name: shop, target: "{name}-{secret}", vault: "{namespace}/{secret}", azurekv: "{namespace}-{secret}"}'
)


def catalogue(text: str) -> Document:
    document, found = load_text("environments/catalogue.yaml", text)
    assert document is not None, found
    return document


def named(text: str, namespace: str | None = "shop-ns", said: Mapping[str, str | None] | None = None) -> dict[str, str]:
    names, found = names_of(catalogue(text), namespace, request("db", said))
    assert names is not None, found
    return texts(names)


def test_patterns_name_what_is_not_said() -> None:
    assert named(PATTERNS) == {"target": "shop-db", "vault": "shop-ns/db", "azurekv": "shop-ns-db"}
    assert named(PATTERNS.replace("name: shop, ", ""))["target"] == "shop-ns-db"


def test_what_is_said_goes_first_and_has_its_own_place() -> None:
    names, _ = names_of(
        catalogue(PATTERNS), "shop-ns", request("db", {"target": "mine", "vault": None, "azurekv": "theirs"})
    )
    assert names is not None
    assert texts(names) == {"target": "mine", "vault": "shop-ns/db", "azurekv": "theirs"}
    assert {name: span.path for name, (_, span) in names.items()} == {
        "target": "--target",
        "vault": "environments/catalogue.yaml",
        "azurekv": "--azurekv",
    }


def test_a_provider_that_nothing_names_is_left_out() -> None:
    assert named('naming: {target: "{secret}", vault: "v/{secret}"}') == {"target": "db", "vault": "v/db"}


@pytest.mark.parametrize(
    ("text", "said", "message", "way_out"),
    [
        ("", {}, "nothing names the Kubernetes Secret", "give --target, or add `naming: {target: "),
        (
            'naming: {target: "{secret}"}',
            {},
            "nothing names the secret in a store",
            "give --vault or --azurekv, or its pattern in `naming`",
        ),
    ],
)
def test_no_name_is_made_up(text: str, said: Mapping[str, str], message: str, way_out: str) -> None:
    with pytest.raises(Refusal) as caught:
        names_of(catalogue(text), "shop", request("db", said))
    assert (caught.value.kind, caught.value.message) == ("usage", message)
    assert (caught.value.help or "").startswith(way_out)


def test_what_is_wrong_with_a_pattern_is_found_where_it_stands() -> None:
    document = catalogue(PATTERNS.replace("{name}", "{nam}"))
    names, (found,) = names_of(document, "shop", request("db"))
    assert names is None
    assert (found.rule, found.message) == ("invalid-naming-pattern", '"nam" is not a placeholder')
    assert document.source.text[found.span.start : found.span.end] == "{nam}"
    # A pattern that is not needed is not in the way.
    assert names_of(document, "shop", request("db", {"target": "mine"}))[0] is not None


def test_a_placeholder_without_a_meaning_is_found() -> None:
    names, found = names_of(catalogue(PATTERNS), None, request("db"))
    assert names is None
    assert [each.message for each in found] == [
        "{namespace} stands for nothing: environments/base.yaml has no namespace"
    ] * 2
    assert all(each.help for each in found)


ENTRY = "description: d\n    target: t-{0}\n    remote: {{vault: v/{0}}}\n    syncWave: -49\n    keys: {{K: {{}}}}"


def _request(
    name: str = "b", *keys: str, target: str = "t-b", description: str | None = None, vault: str = "v/b"
) -> SecretRequest:
    return SecretRequest(name, description, {"target": target, "vault": vault}, keys or ("K",))


def _with(text: str, asked: SecretRequest) -> str:
    document = catalogue(text)
    names, _ = names_of(document, None, asked)
    assert names is not None
    return apply_splices(
        text, add_members(document, ("secrets", asked.id), _entry_lines(asked, names), "secret", is_apart=True)
    )


def _entry(name: str) -> str:
    return f"  {name}:\n    {ENTRY.format(name)}"


SHAPES = {
    "last": f"secrets:\n{_entry('a')}\n",
    "no line break at the end": f"secrets:\n{_entry('a')}",
    "a comment at the end": f"secrets:\n{_entry('a')}\n# the end\n",
    "blank lines": f"# first\n\nsecrets:\n\n{_entry('a')}\n\n\n",
    "another section below": f"secrets:\n{_entry('a')}\nwaive: {{shared-place: on purpose}}\n",
    "a comment behind": f"secrets:\n{_entry('a')} # behind\n  # below\n",
    "carriage returns": f"secrets:\n{_entry('a')}\n".replace("\n", "\r\n"),
    "a literal block": f"secrets:\n{_entry('a')}\n    description2: |\n      text\n".replace(
        "description: d\n    ", ""
    ).replace("description2", "description")
    + "waive: {shared-place: on purpose}\n",
    "a block list": f"secrets:\n{_entry('a')}\n    mountedBy:\n      - x\n      - y\nwaive: {{shared-place: why}}\n",
    "a flow map over lines": f"secrets:\n{_entry('a')}\n".replace("{K: {}}", "{\n      K: {}\n    }"),
    "four spaces": "secrets:\n    a:\n        target: t\n        keys: {K: {}}\n",
    "nothing yet": "# yaml-language-server: $schema=x\n",
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_byte_is_kept_and_one_secret_is_more(shape: str) -> None:
    old = SHAPES[shape]
    text = _with(old, _request())
    at = next(index for index, (left, right) in enumerate(zip(old + "\0", text, strict=False)) if left != right)
    # What follows the insertion is the old text's end, to the byte.
    assert text.startswith(old[:at])
    assert text.endswith(old[at:])
    before, after = catalogue(old).root.plain_data(), catalogue(text).root.plain_data()
    assert isinstance(before, dict)
    assert isinstance(after, dict)
    secrets = after["secrets"]
    assert isinstance(secrets, dict)
    assert list(secrets)[-1] == "b"
    # An empty line stands before it, where it is not the first.
    newline = "\r\n" if "\r\n" in old else "\n"
    assert (f"{newline}{newline}" in text[at - 2 : text.index("target: t-b")]) == ("secrets" in old)
    assert {**after, "secrets": {name: entry for name, entry in secrets.items() if name != "b"}} == {
        "secrets": {},
        **before,
    }
    assert ("\r\n" in text) == ("\r\n" in old)
    assert "\n" not in text.replace("\r\n", "") or "\r\n" not in old


@pytest.mark.parametrize("text", ["secrets: {}\n", "secrets: {a: {target: t, keys: {K: {}}}}\n"])
def test_a_form_without_lines_is_refused(text: str) -> None:
    with pytest.raises(Refusal) as caught:
        _with(text, _request())
    assert caught.value.help


@given(
    st.text(min_size=1, max_size=30),
    st.lists(st.text(min_size=1, max_size=10), min_size=1, max_size=3, unique=True),
    st.sampled_from(["no", "y", "null", "1", "08", "1e3", "a: b", "a #b", "'", '"', "{", "x"]),
)
def test_whatever_is_said_means_what_was_said(description: str, keys: list[str], target: str) -> None:
    try:
        text = _with(SHAPES["last"], _request("b", *keys, target=target, description=description, vault=target))
    except Refusal:
        # What the loader itself refuses, such as a control character, has no place in a file.
        return
    entry = catalogue(text).root.nearest("secrets", "b")
    assert entry.text("description") == description
    assert entry.text("target") == target
    assert list(entry.nearest("keys").children) == list(keys)


@pytest.mark.parametrize("word", ["y", "no", "TRUE", "1e3"])
def test_a_key_that_some_reader_takes_for_something_else_is_quoted(word: str) -> None:
    assert f'      "{word}": {{}}\n' in _with(SHAPES["last"], _request("b", word))


def test_an_entry_says_what_is_known_and_no_more() -> None:
    assert _with("", _request()).splitlines() == [
        "secrets:",
        "  b:",
        "    target: t-b",
        "    remote:",
        "      vault: v/b",
        "    keys:",
        "      K: {}",
    ]
    assert '    description: "Its use"\n' in _with("", _request(description="Its use"))


BASE = """\
# Of all.
namespace: ai-platform
store: vault
refreshInterval: 1h
externalSecretsOperator: "2.9"
stores:
  vault:   # the old one
    provider: vault
    name: vault-store
    server: https://vault.example.com # by name

  azure:
    provider: azurekv
    name: azure-store
    vaultUrl: https://platform.vault.azure.net
secrets:
  github: {}
"""
EVERY = [(provider, way) for provider in PROVIDERS for way in PROVIDERS[provider].log_ins]


@pytest.fixture
def small_root(tmp_path: Path) -> Path:
    folder = tmp_path / "environments"
    folder.mkdir()
    (folder / "base.yaml").write_text(BASE, "utf-8")
    (folder / "catalogue.yaml").write_text(CATALOGUE, "utf-8")
    (folder / "prod.yaml").write_text("# Of prod.\n", "utf-8")
    return tmp_path


def wanted_store(store: str, way: str, options: Mapping[str, str] | None = None, **more: str) -> StoreRequest:
    needed = {
        "appRole": {"--role": "0a1b"},
        "servicePrincipal": {"--tenant-id": "11111111-2222-3333-4444-555555555555"},
    }
    chosen = options or needed.get(way, {})
    return StoreRequest(store, way, more.pop("into", "base"), options=chosen, **more)  # type: ignore[arg-type]


def refusal(root: Path, asked: StoreRequest) -> tuple[str, str | None]:
    with pytest.raises(Refusal) as caught:
        new_store(root, asked)
    return caught.value.message, caught.value.help


@pytest.mark.parametrize(("provider", "way"), EVERY)
def test_every_log_in_renders_a_store_that_no_rule_has_anything_against(
    provider: str, way: str, small_root: Path
) -> None:
    store = {"vault": "vault", "azurekv": "azure"}[provider]
    output, result = new_store(small_root, wanted_store(store, way))
    # A note refuses nothing, and says what the operator deprecates.
    notes = ["deprecated-managed-identity"] if way == "managedIdentity" else []
    assert [each.rule for each in result.diagnostics] == notes
    output.path.write_text(output.text, "utf-8")
    project = compile_project(small_root).project
    assert project is not None
    (file,), found = plan_values(project, small_root, "", small_root)
    assert not found
    (made,) = yaml.safe_load(file.output.text)["clusterSecretStores"].values()
    assert made["conditions"] == [{"namespaces": ["ai-platform"]}]
    assert made["provider"][provider].keys() & {"auth", "authType"}


@pytest.mark.parametrize(("provider", "way"), EVERY)
def test_every_log_in_is_one_that_the_rule_knows(provider: str, way: str, small_root: Path) -> None:
    """A log-in that the rule would refuse is shown as an error of `--auth`, and nothing is written."""
    _, result = new_store(small_root, wanted_store("more", way, provider=provider, name="more-store"))
    assert incomplete_auth.check.id not in {each.rule for each in result.diagnostics}


def test_every_byte_stays_and_the_lines_are_in_the_store(small_root: Path) -> None:
    output, _ = new_store(small_root, wanted_store("vault", "kubernetes", {"--role": "shop"}))
    assert output.shown == "environments/base.yaml"
    assert output.text == BASE.replace(
        "server: https://vault.example.com # by name\n",
        """server: https://vault.example.com # by name
    render: true
    conditions: {namespaces: [ai-platform]}
    auth:
      kubernetes:
        role: shop
        serviceAccount: {name: external-secrets, namespace: external-secrets, audiences: [vault]}
""",
    )


def test_a_new_store_has_its_provider_name_and_address(small_root: Path) -> None:
    asked = StoreRequest("eu", "token", "base", "vault", addresses={"server": "https://eu.example.com"})
    output, result = new_store(small_root, asked)
    assert not result.failed
    store = yaml.safe_load(output.text)["stores"]["eu"]
    assert store["auth"] == {"token": {"name": "eu-log-in", "key": "token", "namespace": "external-secrets"}}
    assert {key: store[key] for key in ("provider", "name", "server", "mount", "render")} == {
        "provider": "vault",
        "name": "eu",
        "server": "https://eu.example.com",
        "mount": "secret",
        "render": True,
    }


def test_an_environment_has_the_log_in_alone(small_root: Path) -> None:
    output, result = new_store(small_root, wanted_store("azure", "workloadIdentity", into="prod"))
    assert not result.diagnostics
    assert output.shown == "environments/prod.yaml"
    store = yaml.safe_load(output.text)["stores"]["azure"]
    assert store.keys() == {"render", "conditions", "auth"}
    assert output.text.startswith("# Of prod.\nstores:\n  azure:\n    render: true\n")


def test_the_store_serves_each_namespace_that_reads_it(small_root: Path) -> None:
    (small_root / "environments/prod.yaml").write_text("secrets: {github: {namespace: web}}\n", "utf-8")
    output, result = new_store(small_root, wanted_store("vault", "kubernetes"))
    assert not result.diagnostics
    assert yaml.safe_load(output.text)["stores"]["vault"]["conditions"] == {"namespaces": ["ai-platform", "web"]}


def test_a_store_of_one_namespace_refers_to_its_own(small_root: Path) -> None:
    base = small_root / "environments/base.yaml"
    base.write_text(BASE.replace("name: vault-store", "name: vault-store\n    kind: SecretStore"), "utf-8")
    output, result = new_store(small_root, wanted_store("vault", "kubernetes"))
    assert not result.diagnostics
    store = yaml.safe_load(output.text)["stores"]["vault"]
    assert "conditions" not in store
    assert store["auth"]["kubernetes"]["serviceAccount"] == {"name": "external-secrets", "audiences": ["vault"]}


@pytest.mark.parametrize(
    ("asked", "message", "way_out"),
    [
        (StoreRequest("vualt", "token", "base"), 'there is no store "vualt"', 'did you mean "vault"?'),
        (StoreRequest("x", "token", "base", "gcp"), '"gcp" is not a provider of stores', "the providers are"),
        (StoreRequest("vault", "token", "base", "azurekv"), 'the provider of "vault" is vault', "leave --provider out"),
        (StoreRequest("azure", "token", "base"), '"token" is not a log-in of azurekv', "the log-ins are"),
        (StoreRequest("vault", "appRole", "base"), "an AppRole needs --role", "role id"),
        (StoreRequest("vault", "token", "base", options={"--role": "r"}), "token has no role", "leave --role out"),
        (StoreRequest("azure", "servicePrincipal", "base"), "a service principal needs --tenant-id", "tenant"),
        (StoreRequest("vault", "token", "qa"), 'there is no environment or layer "qa"', "base"),
    ],
)
def test_what_cannot_be_meant_is_refused(asked: StoreRequest, message: str, way_out: str, small_root: Path) -> None:
    said, help_text = refusal(small_root, asked)
    assert said == message
    assert way_out in (help_text or "")


@pytest.mark.parametrize("member", ["render: false", "auth: {token: {name: a, key: b}}"])
def test_a_store_with_a_log_in_stays(member: str, small_root: Path) -> None:
    base = small_root / "environments/base.yaml"
    base.write_text(BASE.replace("name: vault-store", f"name: vault-store\n    {member}"), "utf-8")
    message, _ = refusal(small_root, wanted_store("vault", "token"))
    assert message == 'the store "vault" has `auth` or `render` already'


@pytest.mark.parametrize(
    "stores", ["stores: {}", "stores: {vault: {provider: vault, name: v, server: 'https://v.example.com'}}"]
)
def test_a_form_without_a_place_is_refused(stores: str, small_root: Path) -> None:
    (small_root / "environments/prod.yaml").write_text(f"{stores}\n", "utf-8")
    message, _ = refusal(small_root, wanted_store("vault", "kubernetes", into="prod"))
    assert message == "`stores` in environments/prod.yaml is not written as a block"


def test_an_input_with_errors_is_left_alone(small_root: Path) -> None:
    (small_root / "environments/base.yaml").write_text("stores: [\n", "utf-8")
    message, _ = refusal(small_root, wanted_store("vault", "kubernetes"))
    assert message == "the input has errors"


@pytest.mark.parametrize("name", FORMS)
def test_a_form_fetches_what_its_texts_need_and_no_more(name: str) -> None:
    form = find_form(name, "ghcr.io" if name == "dockerconfigjson" else None)
    texts = [read_template(text) for text in form.data.values()]
    assert not any(each.mistake or each.unread for each in texts)
    needed = {key for each in texts for key in each.keys}
    assert not form.data or needed == form.keys.keys()
    assert find_form(form.type, "ghcr.io" if name == "dockerconfigjson" else None) == form


@pytest.mark.parametrize("server", SERVERS)
def test_a_registry_is_named_as_docker_does(server: str) -> None:
    assert f'"{server}": ' in find_form("dockerconfigjson", server).data[".dockerconfigjson"]


@pytest.mark.parametrize("server", ["", 'a"b', "a b", "{{ .x }}", "-a", "ghcr.io\n", "http://x", "a:123456"])
def test_what_is_not_a_registry_is_refused(server: str) -> None:
    with pytest.raises(Refusal, match="--server is not the name of a registry"):
        find_form("dockerconfigjson", server)


def test_keys_of_a_certificate_need_no_property_with_a_dot() -> None:
    assert find_form("tls", None).data == {"tls.crt": pass_text("certificate"), "tls.key": pass_text("private_key")}
