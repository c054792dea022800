"""Whatever an environment's file looks like, an edit changes what it is meant to, and no other byte."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.edit.yaml_edit import Edit, apply_edits
from compiler.model.document import Document
from compiler.stages.load import load_text
from tests.property.environment_files import SECRETS, environment_files
from tests.read_once import read_as_other_tools_do

EXAMPLES = 40


def loaded(text: str) -> Document:
    document, refused = load_text("environments/prod.yaml", text)
    assert document is not None, (text, refused)
    return document


def data(text: str) -> dict[str, Any]:
    """As both readers have it."""
    found: Any = loaded(text).root.plain_data()
    assert read_as_other_tools_do(text) == found
    return dict(found)


def spliced(before: str, after: str) -> tuple[int, int]:
    """What of `before` is not in `after`, by offsets."""
    start = 0
    while start < min(len(before), len(after)) and before[start] == after[start]:
        start += 1
    end = 0
    while end < min(len(before), len(after)) - start and before[-1 - end] == after[-1 - end]:
        end += 1
    return start, len(before) - end


@settings(max_examples=EXAMPLES)
@given(environment_files(), st.sampled_from(SECRETS))
def test_the_store_of_a_secret_is_set_by_one_splice_and_goes_back(text: str, secret: str) -> None:
    document, path = loaded(text), ("secrets", secret, "store")
    stood = document.root.get(*path)
    there = apply_edits(document, [Edit(path, "azure")])
    expected = data(text)
    expected.setdefault("secrets", {}).setdefault(secret, {})["store"] = "azure"
    assert data(there) == expected
    start, end = spliced(text, there)
    if stood is not None:
        assert stood.start <= start <= end <= stood.end
        assert apply_edits(loaded(there), [Edit(path, "vault")]) == text
    else:
        # Nothing that was there is gone, and what is new is one entry, in braces, on a line, or below a new key.
        assert start == end
        assert len(there.splitlines()) - len(text.splitlines()) <= (1 if "secrets" in document.root.children else 2)
        assert data(apply_edits(loaded(there), [Edit(path, "vault")])) == {
            **expected,
            "secrets": {**expected["secrets"], secret: {**expected["secrets"][secret], "store": "vault"}},
        }


@settings(max_examples=EXAMPLES)
@given(environment_files())
def test_the_store_of_the_environment_is_set_by_one_splice(text: str) -> None:
    document = loaded(text)
    stood = document.root.get("store")
    there = apply_edits(document, [Edit(("store",), "azure")])
    assert data(there) == {**data(text), "store": "azure"}
    start, end = spliced(text, there)
    if stood is None:
        assert start == end
        assert len(there.splitlines()) - len(text.splitlines()) in (0, 1)
    else:
        assert stood.start <= start <= end <= stood.end


@settings(max_examples=EXAMPLES)
@given(environment_files(), st.sampled_from(SECRETS))
def test_an_override_is_taken_out_and_every_other_line_stays(text: str, secret: str) -> None:
    document, path = loaded(text), ("secrets", secret, "store")
    if document.root.get(*path) is None:
        text = apply_edits(document, [Edit(path, "azure")])
        document = loaded(text)
    member = document.root.get(*path)
    there = apply_edits(document, [Edit(path, None)])
    expected = data(text)
    del expected["secrets"][secret]["store"]
    assert data(there) == expected
    # Each line that is gone or changed is one of the member or of the key of the map that is now empty.
    before, after = text.splitlines(), there.splitlines()
    assert member is not None
    first, last = member.key_span.line, member.span.source.place(member.end)[0]
    head = document.root.nearest("secrets", secret).key_span.line
    for number, line in enumerate(before, 1):
        if not (first <= number <= last or number == head):
            assert line in after
    assert len(before) - len(after) in range(last - first + 2)
