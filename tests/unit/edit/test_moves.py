from pathlib import Path

import pytest

from compiler.edit.moves import finish_edits, return_edits, switch_edits, was_in
from compiler.edit.yaml_edit import Edit, apply_edits
from compiler.model.environment import Environment, progress_of
from compiler.pipeline import compile_project
from tests.platforms import write_agents_project

MORE = """\
  slack:
    target: agent-slack-secrets
    remote: {vault: agents/slack, azurekv: agents-slack}
    syncWave: -49
    guards: true
    keys: {SLACK_TOKEN: {}}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_agents_project(tmp_path / "project", entries=MORE)
    return tmp_path / "project"


def environment(root: Path, text: str, base: str | None = None) -> Environment:
    (root / "environments/prod.yaml").write_text(text, "utf-8")
    if base is not None:
        path = root / "environments/base.yaml"
        path.write_text(path.read_text("utf-8").replace("secrets: {github: {}, jira: {}}", base), "utf-8")
    result = compile_project(root, ["prod"])
    assert result.project is not None
    assert not result.failed, [each.message for each in result.diagnostics]
    return result.project.environments[0]


def steps(text: str) -> str:
    return f"moves: {{to: azure, steps: {text}}}\n"


@pytest.mark.parametrize(
    ("written", "on_azure", "found", "following", "done"),
    [
        ("[[jira], [github]]", "", (("jira",), ("github",)), 0, ()),
        ("[[jira], [github]]", "jira", (("jira",), ("github",)), 1, ("jira",)),
        ("[[jira], [github]]", "github", (("jira",), ("github",)), 0, ()),
        ("[[jira], [github]]", "jira github", (("jira",), ("github",)), None, ("jira", "github")),
        ("[[jira, github]]", "jira", (("jira", "github"),), 0, ()),
        # The rest is spelled out, and what guards a store comes after it; what is not here is passed over.
        ("[[jira], [all]]", "", (("jira",), ("github",), ("slack",)), 0, ()),
        ("[[jira, github], [all]]", "jira github", (("jira", "github"), ("slack",)), 1, ("jira", "github")),
        ("[[jira, github], [slack]]", "", (("jira", "github"), ("slack",)), 0, ()),
    ],
)
def test_the_next_step_is_the_first_that_is_not_wholly_there(
    root: Path, written: str, on_azure: str, found: object, following: int | None, done: object
) -> None:
    there = dict.fromkeys(on_azure.split(), "{store: azure}")
    listed = ", ".join(f"{name}: {there.get(name, '{}')}" for name in ("github", "jira", "slack"))
    progress = progress_of(environment(root, steps(written) + f"secrets: {{{listed}}}\n"))
    assert progress is not None
    assert (progress.to.id, progress.steps, progress.next, progress.past_secrets) == ("azure", found, following, done)


def test_a_secret_that_the_environment_does_not_have_is_passed_over(root: Path) -> None:
    progress = progress_of(environment(root, steps("[[jira], [slack]]") + "secrets: {jira: {enabled: false}}\n"))
    assert progress is not None
    assert (progress.steps, progress.next) == ((), None)


def test_without_moves_there_is_no_progress(root: Path) -> None:
    assert progress_of(environment(root, "labels: {}\n")) is None
    assert progress_of(environment(root, "moves: null\n")) is None


def test_each_secret_gets_a_store_of_its_own(root: Path) -> None:
    found = environment(root, "labels: {}\n")
    assert switch_edits(found, ["jira"], found.stores["azure"]) == (Edit(("secrets", "jira", "store"), "azure"),)


def test_a_line_that_stood_before_is_marked_so_that_the_way_back_keeps_it(root: Path) -> None:
    found = environment(root, "secrets:\n  jira:\n    store: vault\n    use: []\n  github: {use: [pat]}\n")
    there = apply_edits(found.document, switch_edits(found, ["jira", "github"], found.stores["azure"]))
    assert there == (
        "secrets:\n  jira:\n    store: azure  # before: vault\n    use: []\n  github: {use: [pat], store: azure}\n"
    )
    # What was switched on its own goes back on its own.
    moved = environment(root, there)
    back = apply_edits(moved.document, return_edits(moved, ["github"], moved.stores["vault"]))
    assert back == there.replace(", store: azure}", "}")


def test_of_several_on_one_line_the_mark_names_those_that_stood_there(root: Path) -> None:
    text = "labels: {}\r\nsecrets: {github: {store: 'vault'}}\r\n"
    found = environment(root, text)
    there = apply_edits(found.document, switch_edits(found, ["github", "jira"], found.stores["azure"]))
    entries = "{github: {store: 'azure'}, jira: {store: azure}}"
    assert there == f"labels: {{}}\r\nsecrets: {entries}  # before: vault for github\r\n"
    moved = environment(root, there)
    # In any order, and each by itself.
    back = apply_edits(moved.document, return_edits(moved, ["github"], moved.stores["vault"]))
    assert back == "labels: {}\r\nsecrets: {github: {store: 'vault'}, jira: {store: azure}}\r\n"
    assert apply_edits(moved.document, return_edits(moved, ["jira", "github"], moved.stores["vault"])) == text
    both = environment(root, "secrets: {github: {store: vault}, jira: {store: vault}}  # ours\n")
    there = apply_edits(both.document, switch_edits(both, ["github", "jira"], both.stores["azure"]))
    assert there.endswith("}}  # ours  # before: vault for github, jira\n")
    moved = environment(root, there)
    half = apply_edits(moved.document, return_edits(moved, ["github"], moved.stores["vault"]))
    assert half == "secrets: {github: {store: vault}, jira: {store: azure}}  # ours  # before: vault for jira\n"
    moved = environment(root, half)
    assert (
        apply_edits(moved.document, return_edits(moved, ["jira"], moved.stores["vault"])) == both.document.source.text
    )


def test_a_line_that_is_needed_is_set_and_one_that_says_why_is_kept(root: Path) -> None:
    text = "store: azure\nsecrets:\n  github:\n    store: azure  # until May\n"
    found = environment(root, text)
    back = apply_edits(found.document, return_edits(found, ["github", "jira"], found.stores["vault"]))
    assert back == text.replace("store: azure  #", "store: vault  #") + "  jira: {store: vault}\n"


@pytest.mark.parametrize(
    "text",
    [
        "labels: {}\n",
        "# Nothing yet.\n",
        "labels: {}\nsecrets:\n  github: {use: [pat]}\n",
        "labels: {}\nsecrets:\n  jira:\n    # ours\n    use: []\n",
        "labels: {}\nsecrets: {github: {use: [pat]}, jira: {use: []}}\n",
        "labels: {}\nsecrets: {github: {use: [pat]}, jira: {use: []}}  # ours\n",
        "secrets:\n  jira: {use: []}  # ours\n",
        "secrets:\n  jira: {use: [], store: vault}\n",
        # A line that stood before stays, with and without a comment of its own.
        "secrets:\n  jira: {store: vault}  # agreed\n",
        "secrets: {jira: {store: vault}}  # agreed\n",
        "secrets: {jira: {use: [], store: vault}, github: {store: vault}}\n",
        "secrets:\n  jira: {use: [], store: vault}  # agreed\n",
        "secrets:\n  jira:\n    store: vault\n    use: []\n",
        "secrets:\n  jira: {store: vault}\n",
        "secrets:\n  jira:\n    store: 'vault' # agreed\n",
        "secrets:\r\n  jira:\r\n    store: vault\r\n",
        # Without it jira would read another store.
        "store: azure\nsecrets:\n  jira:\n    store: vault\n",
    ],
)
def test_a_switch_and_its_way_back_leave_the_same_bytes(root: Path, text: str) -> None:
    before = environment(root, text)
    secrets = [name for name in ("jira", "github") if before.secrets[name].store is before.stores["vault"]]
    there = apply_edits(before.document, switch_edits(before, secrets, before.stores["azure"]))
    moved = environment(root, there)
    assert {moved.secrets[name].store for name in secrets} == {moved.stores["azure"]}
    assert apply_edits(moved.document, return_edits(moved, secrets, moved.stores["vault"])) == text


@pytest.mark.parametrize(
    ("text", "base", "expected"),
    [
        # The overrides that name the store go, and entries with them that said nothing else.
        (
            "secrets:\n  jira: {store: azure}\n  github: {store: vault}\n",
            None,
            "store: azure\nsecrets:\n  github: {store: vault}\n",
        ),
        ("secrets:\n  jira: {store: azure}\n  github:\n    store: azure\n", None, "store: azure\n"),
        (
            "secrets:\n  jira: {store: azure, fetch: bundle}\n",
            None,
            "store: azure\nsecrets:\n  jira: {fetch: bundle}\n",
        ),
        # No lower layer lists this one: it stays, with nothing to say.
        ("secrets:\n  slack: {store: azure}\n", None, "store: azure\nsecrets:\n  slack: {}\n"),
        # An override that hides one of a lower layer stays, or that one would choose.
        (
            "secrets: {jira: {store: azure}}\n",
            "secrets: {github: {}, jira: {store: vault}}",
            "store: azure\nsecrets: {jira: {store: azure}}\n",
        ),
        ("secrets: {jira: {store: azure}}\n", "secrets: {github: {}, jira: {store: azure}}", "store: azure\n"),
        (
            "store: azure\nsecrets: {jira: {store: azure, enabled: false}}\n",
            None,
            "store: azure\nsecrets: {jira: {enabled: false}}\n",
        ),
        ("store: azure\n", None, "store: azure\n"),
        ("store: vault # c\nlabels: {}\n", None, "store: azure # c\nlabels: {}\n"),
    ],
)
def test_a_move_is_finished_by_the_store_of_the_environment(
    root: Path, text: str, base: str | None, expected: str
) -> None:
    found = environment(root, text, base)
    assert apply_edits(found.document, finish_edits(found, found.stores["azure"])) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # What no layer has any more is kept as a mark.
        (
            "store: azure\nlabels: {a: b}\nsecrets: {jira: {store: vault}}\n",
            "store: vault  # before: azure\nlabels: {a: b}\n",
        ),
        ("store: azure # c\n", "store: vault # c  # before: azure\n"),
        ("store: azure  # before: third\n", "store: vault  # before: azure\n"),
        # No line is a place for one.
        ("{store: azure, labels: {a: b}}\n", "{labels: {a: b}}\n"),
    ],
)
def test_a_store_that_is_left_is_kept_as_a_mark(root: Path, text: str, expected: str) -> None:
    found = environment(root, text)
    assert apply_edits(found.document, finish_edits(found, found.stores["vault"])) == expected


def test_a_store_that_lower_layers_name_is_neither_repeated_nor_marked(root: Path) -> None:
    (root / "environments/middle.yaml").write_text("extends: [base]\nstore: azure\n", "utf-8")
    found = environment(root, "extends: [middle]\nstore: vault\nlabels: {a: b}\n")
    text = apply_edits(found.document, finish_edits(found, found.stores["azure"]))
    assert text == "extends: [middle]\nlabels: {a: b}\n"
    assert was_in(environment(root, text), "jira", found.stores["vault"])


THIRD = "stores: {third: {provider: azurekv, name: third, vaultUrl: 'https://third.vault.azure.net'}}\n"


@pytest.mark.parametrize(
    ("text", "is_known"),
    [
        # jira reads vault, and base.yaml names no other store.
        ("labels: {}\n", False),
        ("moves: {to: azure, steps: [[github], [all]]}\n", False),
        ("secrets: {github: {store: azure}}\n", False),
        (f"{THIRD}secrets: {{jira: {{store: vault}}}}\n", False),
        ("moves: {to: vault, steps: [[github]]}\n", False),
        ("moves: {to: vault, steps: [[github], [all]]}\n", True),
        (f"{THIRD}moves: {{to: vault, steps: [[github], [all]]}}\n", False),
        ("secrets: {jira: {store: vault}}\n", True),
        ("moves: {to: vault, steps: [[github]]}\nsecrets: {jira: {store: vault}}\n", True),
        ("moves: {to: azure, steps: [[github], [all]]}\nsecrets: {jira: {store: vault}}\n", False),
        ("store: azure\nsecrets: {jira: {store: vault}}\n", True),
        (f"{THIRD}secrets:\n  jira:\n    store: vault  # before: azure\n", True),
        (f"{THIRD}secrets: {{jira: {{store: vault}}, github: {{store: vault}}}}  # before: azure for github\n", False),
        (f"{THIRD}store: vault  # before: azure\n", True),
    ],
)
def test_what_the_files_say_of_where_a_secret_was(root: Path, text: str, is_known: bool) -> None:  # noqa: FBT001
    found = environment(root, text)
    assert found.secrets["jira"].store is found.stores["vault"]
    assert was_in(found, "jira", found.stores["azure"]) is is_known


def test_a_lower_layer_says_where_a_secret_was(root: Path) -> None:
    found = environment(root, "store: azure\n")
    assert was_in(found, "jira", found.stores["vault"])
    found = environment(root, "secrets: {jira: {store: azure}}\n", "secrets: {github: {}, jira: {store: vault}}")
    assert was_in(found, "jira", found.stores["vault"])
