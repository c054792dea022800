from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from compiler.edit.new_project import write_new
from compiler.edit.new_secret import Wanted, new_entry
from compiler.refusal import Refusal
from tests.agents_project import write_agents_project

if TYPE_CHECKING:
    from pathlib import Path

NAMING = '\nnaming: {target: "{name}-{secret}", vault: "{namespace}/{secret}", azurekv: "{namespace}-{secret}"}\n'


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_agents_project(tmp_path, entries=NAMING)
    return tmp_path


def wanted(
    name: str = "db", *keys: str, into: tuple[str, ...] = (), namespace: str | None = None, **names: str
) -> Wanted:
    return Wanted(name, None, names, keys or ("DB_PASSWORD",), into, namespace)


def refused(root: Path, want: Wanted) -> tuple[str, str | None]:
    with pytest.raises(Refusal) as caught:
        new_entry(root, want)
    assert caught.value.kind == "usage"
    return caught.value.message, caught.value.help


def test_an_entry_is_added_with_the_names_of_the_patterns(root: Path) -> None:
    entry, found = new_entry(root, wanted())
    assert (entry is not None, found) == (True, ())
    assert entry is not None
    (output,) = entry.outputs
    old = (root / "environments/catalogue.yaml").read_text("utf-8")
    added = output.text.replace(old.removesuffix(NAMING), "", 1).removesuffix(NAMING)
    assert added.split() == [
        *["db:", "target:", "agents-db", "remote:", "vault:", "agents/db", "azurekv:", "agents-db"],
        *["syncWave:", "-49", "keys:", "DB_PASSWORD:", "{}"],
    ]
    assert (entry.result.diagnostics, entry.listed_by("db"), entry.unchanged) == ((), (), ())


def test_what_somebody_added_meanwhile_is_not_lost_and_modes_stay(root: Path) -> None:
    catalogue = root / "environments/catalogue.yaml"
    catalogue.chmod(0o640)
    first, second = (new_entry(root, wanted(name))[0] for name in ("db", "cache"))
    assert first is not None
    assert second is not None
    write_new(first.outputs, root)
    assert catalogue.stat().st_mode & 0o777 == 0o640
    with pytest.raises(Refusal) as caught:
        write_new(second.outputs, root)
    assert "catalogue.yaml was changed by somebody else meanwhile" in caught.value.message
    assert caught.value.help == "run the command again"
    assert "  db:" in catalogue.read_text("utf-8")
    catalogue.chmod(0o440)
    read_only, _ = new_entry(root, wanted("cache"))
    assert read_only is not None
    with pytest.raises(Refusal, match=r"catalogue\.yaml is read-only"):
        write_new(read_only.outputs, root)


def test_it_is_listed_where_it_is_wanted(root: Path) -> None:
    entry, _ = new_entry(root, wanted(into=("base", "prod", "base")))
    assert entry is not None
    assert [output.shown for output in entry.outputs] == [
        "environments/catalogue.yaml",
        "environments/base.yaml",
        "environments/prod.yaml",
    ]
    assert "secrets: {github: {}, jira: {}, db: {}}\n" in entry.outputs[1].text
    assert entry.outputs[2].text == "labels: {team: platform}\nsecrets:\n  db: {}\n"
    assert entry.listed_by("db") == ("prod",)
    # Once is enough, and it is told that the second says nothing new.
    assert [(each.rule, each.span.path) for each in entry.result.diagnostics] == [("unused-override", "--into")]


def test_a_file_that_lists_it_already_stays(root: Path) -> None:
    (root / "environments/prod.yaml").write_text("secrets: {db: {}}\n", "utf-8")
    entry, _ = new_entry(root, wanted(into=("prod",)))
    assert entry is not None
    assert (len(entry.outputs), entry.unchanged) == (1, ("environments/prod.yaml",))
    assert entry.listed_by("db") == ("prod",)


def test_it_may_be_listed_in_another_namespace(root: Path) -> None:
    entry, _ = new_entry(root, wanted(into=("prod",), namespace="web"))
    assert entry is not None
    assert entry.outputs[1].text.endswith("secrets:\n  db: {namespace: web}\n")
    assert entry.result.project is not None
    assert entry.result.project.environments[0].secrets["db"].namespace == "web"
    # The patterns' is that of base.yaml.
    assert "vault: agents/db\n" in entry.outputs[0].text


def test_a_file_that_lists_it_in_another_namespace_is_left_to_people(root: Path) -> None:
    (root / "environments/prod.yaml").write_text("secrets: {db: {namespace: web}}\n", "utf-8")
    assert refused(root, wanted(into=("prod",), namespace="wep")) == (
        'environments/prod.yaml lists "db" already, and not in "wep"',
        "write `namespace` there, and leave --namespace out",
    )
    entry, _ = new_entry(root, wanted(into=("prod",), namespace="web"))
    assert entry is not None
    assert entry.unchanged == ("environments/prod.yaml",)


def test_a_layer_is_one_of_the_files(root: Path) -> None:
    (root / "environments/layers").mkdir()
    (root / "environments/layers/eu.yaml").write_text("", "utf-8")
    entry, _ = new_entry(root, wanted(into=("eu",)))
    assert entry is not None
    assert entry.outputs[1].shown == "environments/layers/eu.yaml"


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
def test_a_wrong_name_is_found_where_it_was_given(root: Path, want: Wanted, rule: str, path: str, marked: str) -> None:
    entry, _ = new_entry(root, want)
    assert entry is not None
    assert entry.result.failed
    found = next(each for each in entry.result.diagnostics if each.rule == rule)
    assert (found.span.path, found.span.source.text[found.span.start : found.span.end]) == (path, marked)
    assert found.help
    assert ("--target gives" in found.help) == (path == "environments/catalogue.yaml")


def test_the_environments_that_are_to_list_it_are_judged_too(root: Path) -> None:
    (root / "environments/prod.yaml").write_text("store: azure\n", "utf-8")
    text = (root / "environments/catalogue.yaml").read_text("utf-8")
    (root / "environments/catalogue.yaml").write_text(text.replace(', azurekv: "{namespace}-{secret}"', ""), "utf-8")
    entry, _ = new_entry(root, wanted(into=("prod",)))
    assert entry is not None
    assert [each.rule for each in entry.result.diagnostics] == ["missing-remote"]


@pytest.mark.parametrize("path", ["environments/catalogue.yaml", "environments/prod.yaml"])
def test_nothing_is_added_to_a_file_with_errors(root: Path, path: str) -> None:
    (root / path).write_text((root / path).read_text("utf-8") + "typo: 1\n", "utf-8")
    entry, found = new_entry(root, wanted(into=("prod",)))
    assert (entry, {each.rule for each in found}) == (None, {"unknown-key"})


def test_a_pattern_with_a_fault_is_reported(root: Path) -> None:
    text = (root / "environments/catalogue.yaml").read_text("utf-8")
    (root / "environments/catalogue.yaml").write_text(text.replace("{name}", "{nam}"), "utf-8")
    entry, found = new_entry(root, wanted())
    assert (entry, [each.rule for each in found]) == (None, ["invalid-naming-pattern"])


def test_the_namespace_may_come_from_below_base(root: Path) -> None:
    base = root / "environments/base.yaml"
    base.write_text("extends: [all]\n" + base.read_text("utf-8").replace("namespace: agents\n", ""), "utf-8")
    (root / "environments/layers").mkdir()
    (root / "environments/layers/all.yaml").write_text("namespace: below\n", "utf-8")
    entry, _ = new_entry(root, wanted())
    assert entry is not None
    assert "vault: below/db\n" in entry.outputs[0].text


def test_a_key_may_have_the_value_of_another_and_needs_no_place_then(root: Path) -> None:
    entry, _ = new_entry(root, Wanted("ui", None, {}, (), ("base",), taken={"TOKEN": "jira/JIRA_TOKEN"}))
    assert entry is not None
    assert entry.result.diagnostics == ()
    added = entry.outputs[0].text[entry.outputs[0].text.index("  ui:") :].removesuffix(NAMING)
    assert added.split() == [
        "ui:",
        "target:",
        "agents-ui",
        "syncWave:",
        "-49",
        "keys:",
        "TOKEN:",
        "{from:",
        "jira/JIRA_TOKEN}",
    ]
    entry, _ = new_entry(root, Wanted("ui", None, {}, ("OWN",), (), taken={"TOKEN": "jira/JIRA_TOKEN"}))
    assert entry is not None
    assert "    remote:\n      vault: agents/ui\n" in entry.outputs[0].text


def test_a_key_of_another_that_there_is_not_is_told_at_the_option(root: Path) -> None:
    entry, _ = new_entry(root, Wanted("ui", None, {}, (), (), taken={"TOKEN": "jira/JIRA_TOKN"}))
    assert entry is not None
    (found,) = entry.result.diagnostics
    assert (found.rule, found.span.path, found.help) == ("unknown-source", "--from", 'did you mean "JIRA_TOKEN"?')
    entry, _ = new_entry(root, Wanted("ui", None, {"vault": "a/ui"}, (), (), taken={"TOKEN": "jira/JIRA_TOKEN"}))
    assert entry is not None
    assert [each.rule for each in entry.result.diagnostics] == ["unread-remote"]
