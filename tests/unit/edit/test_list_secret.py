from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.edit.yaml_edit import listing, spliced, with_listed
from compiler.refusal import Refusal
from compiler.stages.load import load_text

if TYPE_CHECKING:
    from compiler.model.document import Document


def document_of(text: str) -> Document:
    document, found = load_text("environments/prod.yaml", text)
    assert document is not None, found
    return document


def listed(text: str, name: str = "db") -> str:
    return spliced(text, with_listed(document_of(text), name))


SHAPES = {
    "a block": ("secrets:\n  a: {}\n", "secrets:\n  a: {}\n  db: {}\n"),
    "its indentation": ("secrets:\n    a:\n        use: [x]\n", "secrets:\n    a:\n        use: [x]\n    db: {}\n"),
    "no line break at the end": ("secrets:\n  a: {}", "secrets:\n  a: {}\n  db: {}\n"),
    "carriage returns": ("secrets:\r\n  a: {}\r\nstore: x\r\n", "secrets:\r\n  a: {}\r\n  db: {}\r\nstore: x\r\n"),
    "carriage returns, none at the end": ("a: 1\r\nsecrets:\r\n  a: {}", "a: 1\r\nsecrets:\r\n  a: {}\r\n  db: {}\r\n"),
    "comments": (
        "secrets:\n  a: {} # behind\n  # below\n# end\n",
        "secrets:\n  a: {} # behind\n  db: {}\n  # below\n# end\n",
    ),
    "another section below": (
        "secrets:\n  a: {}\n\nlabels: {x: y}\n",
        "secrets:\n  a: {}\n  db: {}\n\nlabels: {x: y}\n",
    ),
    "a literal block": (
        "secrets:\n  a:\n    annotations:\n      x: |\n        y\nstore: z\n",
        "secrets:\n  a:\n    annotations:\n      x: |\n        y\n  db: {}\nstore: z\n",
    ),
    "a secret without anything": ("secrets:\n  a:\nstore: z\n", "secrets:\n  a:\n  db: {}\nstore: z\n"),
    "braces": ("secrets: {a: {}}\n", "secrets: {a: {}, db: {}}\n"),
    "braces with a comma at the end": ("secrets: {a: {}, }\n", "secrets: {a: {}, db: {}, }\n"),
    "braces and a comment": ("secrets: {a: {}} # why\n", "secrets: {a: {}, db: {}} # why\n"),
    "a bare name in braces": ("secrets: {a}\n", "secrets: {a, db: {}}\n"),
    "a bare name with a colon": ("secrets: {a: , b: }\n", "secrets: {a: , b: , db: {} }\n"),
    "braces over lines": ("secrets: {\n  a: {}\n}\n", "secrets: {\n  a: {},\n  db: {}\n}\n"),
    "braces over lines, commas, comments": (
        "secrets: {\n  a: {}, # one\n  b: {}, # two\n}\n",
        "secrets: {\n  a: {}, # one\n  b: {}, # two\n  db: {},\n}\n",
    ),
    "braces over lines, a comment behind the last": (
        "secrets: {\n  a: {} # one\n}\n",
        "secrets: {\n  a: {}, # one\n  db: {}\n}\n",
    ),
    "braces over lines, closed on the last": ("secrets: {\n  a: {}}\n", "secrets: {\n  a: {}, db: {}}\n"),
    "braces over lines, nothing after the last colon": ("secrets: {\n  a:\n}\n", "secrets: {\n  a: ,\n  db: {}\n}\n"),
    "empty braces": ("secrets: {}\nstore: x\n", "secrets:\n  db: {}\nstore: x\n"),
    "empty braces and a comment": ("secrets:   {}  # none yet\n", "secrets:  # none yet\n  db: {}\n"),
    "empty braces, no line break": ("secrets: {}", "secrets:\n  db: {}\n"),
    "nothing after the colon": ("secrets:\nstore: x\n", "secrets:\n  db: {}\nstore: x\n"),
    "the indentation of other maps": (
        "stores:\n    a:\n        name: x\nsecrets: {}\n",
        "stores:\n    a:\n        name: x\nsecrets:\n    db: {}\n",
    ),
    "no secrets": ("store: x\n", "store: x\nsecrets:\n  db: {}\n"),
    "no secrets, indented": ("  store: x\n", "  store: x\n  secrets:\n    db: {}\n"),
    "no secrets, no line break": ("store: x", "store: x\nsecrets:\n  db: {}\n"),
    "comments alone": ("# What prod sets.\n", "# What prod sets.\nsecrets:\n  db: {}\n"),
    "nothing": ("", "secrets:\n  db: {}\n"),
    "a file in braces": ("{store: x}\n", "{store: x, secrets: {db: {}}}\n"),
    "a file in braces with none": ("{secrets: {}, store: x}\n", "{secrets: {db: {}}, store: x}\n"),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_secret_is_listed_in_the_style_of_the_file_and_every_other_byte_kept(shape: str) -> None:
    old, new = SHAPES[shape]
    assert listed(old) == new


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("secrets:\n  a: {}\n", "secrets:\n  a: {}\n  db: {namespace: web}\n"),
        ("secrets: {a: {}}\n", "secrets: {a: {}, db: {namespace: web}}\n"),
        ("secrets: {}\n", "secrets:\n  db: {namespace: web}\n"),
        ("store: x\n", "store: x\nsecrets:\n  db: {namespace: web}\n"),
    ],
)
def test_it_may_be_in_a_namespace_of_its_own(old: str, new: str) -> None:
    assert spliced(old, with_listed(document_of(old), "db", "web")) == new


def test_a_name_that_a_reader_takes_for_something_else_is_quoted() -> None:
    assert listed("secrets:\n  a: {}\n", "no").endswith('\n  "no": {}\n')
    assert listing("no", "1") == '"no": {namespace: "1"}'


@pytest.mark.parametrize("null", ["null", "~"])
def test_a_null_that_takes_secrets_out_is_left_to_people(null: str) -> None:
    with pytest.raises(Refusal) as caught:
        listed(f"secrets: {null}\n")
    assert (caught.value.kind, caught.value.message) == (
        "usage",
        "`secrets` is null in environments/prod.yaml, which takes out all secrets of the layers below",
    )
    assert caught.value.help


def test_a_form_that_has_no_place_for_it_is_refused() -> None:
    with pytest.raises(Refusal) as caught:
        listed("{}\n")
    assert (caught.value.help or "").endswith("add it by hand")


@given(
    st.lists(st.sampled_from(["a", "b-1", "no"]), unique=True, min_size=1),
    st.sampled_from(["{}", "{store: x}", "", "# why", "\n__use: [x]", "\n__labels: {a: b}  # c"]),
    st.sampled_from(["  ", "    ", " "]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["", "store: x\n", "# end\n", "\n\n# a\nlabels:\n  a: b\n"]),
)
def test_what_was_listed_stays(names: list[str], body: str, indent: str, newline: str, below: str) -> None:
    lines = [f'{indent}"{name}": {body.replace("_", indent)}' for name in names]
    text = ("secrets:\n" + "\n".join(lines) + "\n" + below).replace("\n", newline)
    before, after = document_of(text).root, document_of(listed(text)).root
    assert list(after.nearest("secrets").children) == [*names, "db"]
    kept = {name: child.plain_data() for name, child in after.nearest("secrets").children.items() if name != "db"}
    assert kept == before.nearest("secrets").plain_data()
    assert {**after.children, "secrets": None}.keys() == before.children.keys()
