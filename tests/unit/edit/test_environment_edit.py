from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from compiler.edit.yaml_edit import Edit, edited, second_reading
from compiler.refusal import Refusal
from compiler.stages.load import load_text

if TYPE_CHECKING:
    from compiler.model.document import Document

JIRA = ("secrets", "jira", "store")


def document(text: str) -> Document:
    found, refused = load_text("environments/prod.yaml", text)
    assert found is not None, refused
    return found


def after(text: str, *edits: Edit) -> str:
    return edited(document(text), edits)


def moved(text: str, store: str = "azure") -> str:
    return after(text, Edit(JIRA, store))


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        # Where it stands already: the word alone.
        ("secrets:\n  jira:\n    store: vault # here\n", "secrets:\n  jira:\n    store: azure # here\n"),
        ("secrets: {jira: {store: vault}}\n", "secrets: {jira: {store: azure}}\n"),
        ("secrets: {jira: {store: 'vault'}}", "secrets: {jira: {store: 'azure'}}"),
        ('secrets: {"jira": {"store": "vault"}}', 'secrets: {"jira": {"store": "azure"}}'),
        (
            "secrets:\n  jira:\n    store: |- # why\n      vault\n    use: []\n",
            "secrets:\n  jira:\n    store: |- # why\n      azure\n    use: []\n",
        ),
        (
            "secrets:\n  jira:\n    store:\n      vault\n    use: []\n",
            "secrets:\n  jira:\n    store:\n      azure\n    use: []\n",
        ),
        ("secrets:\n  jira: {store: null, use: []}\n", "secrets:\n  jira: {store: azure, use: []}\n"),
        # Into a map that says nothing of it yet.
        ("secrets:\n  jira: {}\n", "secrets:\n  jira: {store: azure}\n"),
        ("secrets:\n  jira: { } # c\n", "secrets:\n  jira: { store: azure } # c\n"),
        ("secrets:\n  jira: {use: [a]}\n", "secrets:\n  jira: {use: [a], store: azure}\n"),
        ("secrets:\n  jira: {use: [a], }\n", "secrets:\n  jira: {use: [a], store: azure, }\n"),
        ("secrets:\n  jira: {\n    use: [a] # c\n  }\n", "secrets:\n  jira: {\n    use: [a], store: azure # c\n  }\n"),
        ('{"secrets": {"jira": {"use": []}}}', '{"secrets": {"jira": {"use": [], "store": "azure"}}}'),
        (
            "secrets:\n  jira: # an agent\n    # of use\n    use: []\n",
            "secrets:\n  jira: # an agent\n    store: azure\n    # of use\n    use: []\n",
        ),
        (
            "? secrets\n: ? jira\n  : use: []\n    fetch: bundle\n",
            "? secrets\n: ? jira\n  : store: azure\n    use: []\n    fetch: bundle\n",
        ),
        # A secret that only a lower layer lists.
        ("secrets:\n  slack: {}\n", "secrets:\n  slack: {}\n  jira: {store: azure}\n"),
        (
            "secrets:\n  slack:\n    use: []\n    # fetch: bundle\n  # jira: {}\nstore: a\n",
            "secrets:\n  slack:\n    use: []\n    # fetch: bundle\n  jira: {store: azure}\n  # jira: {}\nstore: a\n",
        ),
        ("secrets: {slack: {}}\n", "secrets: {slack: {}, jira: {store: azure}}\n"),
        ("secrets: {}\n", "secrets: {jira: {store: azure}}\n"),
        ("store: vault\n", "store: vault\nsecrets:\n  jira: {store: azure}\n"),
        ("store: vault # c", "store: vault # c\nsecrets:\n  jira: {store: azure}\n"),
        ("# Only a comment.\n", "# Only a comment.\nsecrets:\n  jira: {store: azure}\n"),
        ("", "secrets:\n  jira: {store: azure}\n"),
        ("{store: vault}\n", "{store: vault, secrets: {jira: {store: azure}}}\n"),
        ("  store: vault\n", "  store: vault\n  secrets:\n    jira: {store: azure}\n"),
        ("waive:\n  a: |\n    text\n", "waive:\n  a: |\n    text\nsecrets:\n  jira: {store: azure}\n"),
    ],
)
def test_the_store_of_a_secret_is_set_and_all_else_stays(before: str, expected: str) -> None:
    assert moved(before) == expected
    crlf = before.replace("\n", "\r\n")
    assert moved(crlf) == (expected if "\n" not in before else expected.replace("\n", "\r\n"))


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ("# why\nstores: {}\n", "# why\nstore: azure\nstores: {}\n"),
        ("extends: [base]\nstores: {}\n", "extends: [base]\nstore: azure\nstores: {}\n"),
        ("extends:\n  - base # c\n# d\nstores: {}\n", "extends:\n  - base # c\nstore: azure\n# d\nstores: {}\n"),
        ("store: vault\n", "store: azure\n"),
        ("? labels\n: {}\n", "store: azure\n? labels\n: {}\n"),
        ("", "store: azure\n"),
    ],
)
def test_the_store_of_the_environment_is_set(before: str, expected: str) -> None:
    assert after(before, Edit(("store",), "azure")) == expected


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ("secrets:\n  jira:\n    store: azure # moved\n    use: []\n", "secrets:\n  jira:\n    use: []\n"),
        (
            "secrets:\n  jira: # a\n    # why\n    store: azure\n\n  b: {}\n",
            "secrets:\n  jira: {} # a\n    # why\n\n  b: {}\n",
        ),
        ("secrets:\n  jira: {store: azure}\n", "secrets:\n  jira: {}\n"),
        ("secrets:\n  jira: {store: azure, }\n", "secrets:\n  jira: { }\n"),
        ("secrets:\n  jira: {store: azure, use: []}\n", "secrets:\n  jira: {use: []}\n"),
        ("secrets:\n  jira: {use: [], store: azure}\n", "secrets:\n  jira: {use: []}\n"),
        (
            "secrets:\n  jira: {use: [], # c\n    store: azure}\n",
            "secrets:\n  jira: {use: [] # c\n    }\n",
        ),
        (
            "secrets:\n  jira: {\n    store: azure, # c\n    use: []}\n",
            "secrets:\n  jira: {\n    # c\n    use: []}\n",
        ),
    ],
)
def test_an_override_is_taken_out_and_comments_stay(before: str, expected: str) -> None:
    assert after(before, Edit(JIRA, None)) == expected


def test_a_whole_entry_is_taken_out_but_for_its_comments() -> None:
    text = "secrets:\n  jira:\n    # moved first\n    store: azure\n  slack: {}\n"
    assert after(text, Edit(("secrets", "jira"), None)) == "secrets:\n    # moved first\n  slack: {}\n"


def test_edits_follow_one_another() -> None:
    text = "secrets:\n  jira: {store: azure}\nlabels: {}\n"
    assert after(text, Edit(("store",), "azure"), Edit(("secrets",), None)) == "store: azure\nlabels: {}\n"


@pytest.mark.parametrize("store", ["on", "1", "null", "y", "08"])
def test_a_name_that_readers_take_for_something_else_is_quoted(store: str) -> None:
    assert moved("secrets:\n  jira: {}\n", store) == f'secrets:\n  jira: {{store: "{store}"}}\n'
    assert moved("secrets:\n  jira: {store: vault}\n", store) == f'secrets:\n  jira: {{store: "{store}"}}\n'
    assert moved("secrets:\n  jira: {store: 'vault'}\n", store) == f"secrets:\n  jira: {{store: '{store}'}}\n"


@pytest.mark.parametrize(
    ("text", "edit"),
    [
        ("secrets: [jira]\n", Edit(JIRA, "azure")),
        ("secrets: {jira: {store: [a]}}\n", Edit(JIRA, "azure")),
        ("store: vault\n...\n# more\n", Edit(JIRA, None)),
        ("? secrets\n: jira:\n    store: azure\n  slack: {}\n", Edit(("secrets", "jira"), None)),
    ],
)
def test_what_cannot_be_changed_alone_is_refused(text: str, edit: Edit) -> None:
    with pytest.raises(Refusal) as refused:
        edited(document(text), [edit])
    assert refused.value.kind == "found"
    assert "environments/prod.yaml cannot be edited in the form that it has" in refused.value.message
    assert "by hand" in str(refused.value.help)


def test_a_change_that_the_other_reader_does_not_see_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("compiler.edit.yaml_edit.second_reading", lambda _: {"store": "vault"})
    with pytest.raises(Refusal):
        moved("secrets:\n  jira: {}\n")


def test_of_many_edits_the_one_that_cannot_be_made_is_named() -> None:
    edits = [Edit(("secrets", "jira", "store"), "azure"), Edit(("secrets", "slack", "store"), "azure")]
    with pytest.raises(Refusal, match=r"`secrets\.slack\.store`"):
        edited(document("secrets:\n  jira: {}\n  slack: {store: [a]}\n"), edits)


def test_many_edits_are_read_by_the_other_reader_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def reading(text: str) -> object:
        read.append(text)
        return second_reading(text)

    monkeypatch.setattr("compiler.edit.yaml_edit.second_reading", reading)
    text = "secrets:\n" + "".join(f"  s{n}: {{}}\n" for n in range(9))
    edited(document(text), [Edit(("secrets", f"s{n}", "store"), "azure") for n in range(9)])
    assert read == [text.replace("{}", "{store: azure}"), text]


def test_a_splice_that_breaks_the_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("compiler.edit.yaml_edit.member_set", lambda *_: "store: [")
    with pytest.raises(Refusal):
        moved("secrets:\n  jira: {}\n")
