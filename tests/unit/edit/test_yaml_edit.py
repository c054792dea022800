import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.edit import yaml_edit
from compiler.edit.yaml_edit import (
    Edit,
    Splice,
    _removal,
    _second_reading,
    _setting,
    add_members,
    apply_edits,
    apply_splices,
    listing,
    offset_before,
)
from compiler.model.document import Document
from compiler.refusal import Refusal
from compiler.stages.emit import read_values
from compiler.stages.load import load_text


def document_of(text: str) -> Document:
    document, found = load_text("environments/prod.yaml", text)
    assert document is not None, found
    return document


JIRA = ("secrets", "jira", "store")


def after(text: str, *edits: Edit) -> str:
    return apply_edits(document_of(text), edits)


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
        apply_edits(document_of(text), [edit])
    assert refused.value.kind == "found"
    assert "in a form that this program cannot edit" in refused.value.message
    assert "by hand" in str(refused.value.help)


def test_a_change_that_the_other_reader_does_not_see_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("compiler.edit.yaml_edit._second_reading", lambda _: {"store": "vault"})
    with pytest.raises(Refusal):
        moved("secrets:\n  jira: {}\n")


def test_of_many_edits_the_one_that_cannot_be_made_is_named() -> None:
    edits = [Edit(("secrets", "jira", "store"), "azure"), Edit(("secrets", "slack", "store"), "azure")]
    with pytest.raises(Refusal, match=r"`secrets\.slack\.store`"):
        apply_edits(document_of("secrets:\n  jira: {}\n  slack: {store: [a]}\n"), edits)


def test_many_edits_are_read_by_the_other_reader_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def reading(text: str) -> object:
        read.append(text)
        return _second_reading(text)

    monkeypatch.setattr("compiler.edit.yaml_edit._second_reading", reading)
    text = "secrets:\n" + "".join(f"  s{n}: {{}}\n" for n in range(9))
    apply_edits(document_of(text), [Edit(("secrets", f"s{n}", "store"), "azure") for n in range(9)])
    assert read == [text.replace("{}", "{store: azure}"), text]


def test_a_splice_that_breaks_the_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("compiler.edit.yaml_edit._setting", lambda *_: (Splice(0, 0, "store: ["),))
    with pytest.raises(Refusal):
        moved("secrets:\n  jira: {}\n")


def with_set(text: str, path: str, value: str = "azure") -> str | None:
    splices = _setting(document_of(text).root, path.split("."), value)
    return apply_splices(text, splices) if splices is not None else None


@pytest.mark.parametrize(
    ("before", "path", "expected"),
    [
        # How it is quoted, and where it stands, is how it was.
        ("store: vault\n", "store", "store: azure\n"),
        ("store: 'vault'\n", "store", "store: 'azure'\n"),
        ('store: "v\\u0061ult" # c\n', "store", "store: azure # c\n"),
        ("store: null\n", "store", "store: azure\n"),
        ("store:\nlabels: {}\n", "store", "store: azure\nlabels: {}\n"),
        ("store: |-\n  1\nlabels: {}\n", "store", "store: |-\n  azure\nlabels: {}\n"),
        ("store: |-\n  a\n  a\nlabels: {}\n", "store", "store: azure\nlabels: {}\n"),
        # A map on the way that is missing or removed is made.
        ("a: null\n", "a.b.c", "a: {b: {c: azure}}\n"),
        ("a: {b: ~}\n", "a.b.c", "a: {b: {c: azure}}\n"),
        ("a: {}\n", "a.b.c", "a: {b: {c: azure}}\n"),
        # A text at the end of the file that would take a further line for its own.
        ("a: |\n  text", "b.c", "b: {c: azure}\na: |\n  text"),
        ("a:\n  x: >\n    text", "a.b.c", "a:\n  b: {c: azure}\n  x: >\n    text"),
        # Below the comments that belong to the last member, above those that do not.
        ("a:\n  x: 1\n    # of x\n  # of a\n", "a.b.c", "a:\n  x: 1\n    # of x\n  b: {c: azure}\n  # of a\n"),
        ("a:\n  x: 1\n    # of x", "a.b.c", "a:\n  x: 1\n    # of x\n  b: {c: azure}\n"),
    ],
)
def test_a_member_is_set(before: str, path: str, expected: str) -> None:
    assert with_set(before, path) == expected


@pytest.mark.parametrize(("text", "path"), [("a: [b]\n", "a.b"), ("a: b\n", "a.b.c"), ("a: {b: {}}\n", "a.b")])
def test_what_is_in_the_way_is_not_replaced(text: str, path: str) -> None:
    assert with_set(text, path) is None


def test_a_value_that_needs_quotes_gets_them() -> None:
    assert with_set("store: vault\n", "store", "on") == 'store: "on"\n'
    assert with_set('store: "vault"\n', "store", "on") == 'store: "on"\n'
    assert with_set("store: 'vault'\n", "store", "a b") == 'store: "a b"\n'


def with_removed(text: str, path: str) -> str | None:
    splices = _removal(document_of(text).root, path.split("."))
    return apply_splices(text, splices) if splices is not None else None


@pytest.mark.parametrize(
    ("before", "path", "expected"),
    [
        ("a: 1\nb: 2\n", "a", "b: 2\n"),
        ("a: 1\nb: 2", "b", "a: 1\n"),
        ("a: 1\r\nb:\r\n  # c\r\n  x: 1\r\n", "b", "a: 1\r\n  # c\r\n"),
        ("a:\n  b: |-\n    text\n  c: 1\n", "a.b", "a:\n  c: 1\n"),
        ("? a\n: 1\nb: 2\n", "a", "b: 2\n"),
        ("a:\n  b: 1\n", "a.b", "a: {}\n"),
        ("{a: 1, b: 2}\n", "a", "{b: 2}\n"),
        ("{a: 1, b: 2}\n", "b", "{a: 1}\n"),
        ("{a: 1, b: 2, c: 3}\n", "b", "{a: 1, c: 3}\n"),
        ("{a: 1 , b: 2}\n", "a", "{ b: 2}\n"),
        ("{a: 1, # one\n b: 2}\n", "b", "{a: 1 # one\n }\n"),
    ],
)
def test_a_member_is_taken_out(before: str, path: str, expected: str) -> None:
    assert with_removed(before, path) == expected


@pytest.mark.parametrize(("text", "path"), [("a: 1\n", "b"), ("a: 1\n", "a.b"), ("? x\n: a: 1\n  b: 2\n", "x.a")])
def test_what_is_not_there_or_stands_with_something_else_is_not_taken_out(text: str, path: str) -> None:
    assert with_removed(text, path) is None


def test_the_last_member_of_a_file_leaves_its_comments() -> None:
    assert with_removed("# Ours.\na: 1\n", "a") == "# Ours.\n"


def listed(text: str, name: str = "db") -> str:
    return apply_splices(text, add_members(document_of(text), ("secrets", name), {}, "secret"))


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
    assert apply_splices(old, add_members(document_of(old), ("secrets", "db"), {"namespace": "web"}, "secret")) == new


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


OLD = "abcdef"
SPLICES = (Splice(1, 1, "XY"), Splice(3, 5, ""), Splice(6, 6, "!"))


def test_what_is_not_named_is_kept() -> None:
    assert apply_splices(OLD, SPLICES) == "aXYbcf!"
    assert apply_splices(OLD, ()) == OLD


def test_what_is_kept_is_found_where_it_stood() -> None:
    new = apply_splices(OLD, SPLICES)
    for offset, character in enumerate(new):
        before = offset_before(SPLICES, offset)
        assert (OLD[before] if before is not None else None) == (character if character in OLD else None)


def test_it_reads_what_is_no_matter_of_versions_as_the_compiler_does() -> None:
    text = 'a: {b: [1, "2"], c: true}\nd: |\n  x\n  y\n'
    assert _second_reading(text) == read_values(text) == {"a": {"b": [1, "2"], "c": True}, "d": "x\ny\n"}


@pytest.mark.parametrize(("text", "old", "new"), [("yes", True, "yes"), ("010", 8, 10), ("1:30", 90, "1:30")])
def test_it_reads_yaml_of_version_1_2(text: str, old: object, new: object) -> None:
    assert read_values(text) == old
    assert _second_reading(text) == new


@pytest.mark.parametrize("text", ["a: [", "a: 1\na: 2\n", "[" * 600 + "]" * 600, "a: 2024-99-99"])
def test_what_it_cannot_read_is_nothing(text: str) -> None:
    assert _second_reading(text) is None


ONE_SECRET = "a: 1\nsecrets:\n  x: {}\n"
ANOTHER = f"{ONE_SECRET}  b: {{}}\n"


def refusal(new: str, old: str = ONE_SECRET) -> tuple[str, str, str | None] | None:
    """Why `new` is refused as `old` with a secret `b` added, None where it is proved."""
    at = next(
        (n for n, (one, other) in enumerate(zip(old, new, strict=False)) if one != other), min(len(old), len(new))
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(yaml_edit, "_addition_in_braces", lambda *_: (Splice(at, len(old), new[at:]),))
        return _refusal_of_adding(document_of(old))


def _refusal_of_adding(document: Document) -> tuple[str, str, str | None] | None:
    try:
        add_members(document, ("secrets", "b"), {}, "secret")
    except Refusal as refused:
        return refused.kind, refused.message, refused.help
    return None


@pytest.mark.parametrize("old", [ONE_SECRET, "a: 1\n", "", "# a comment\n", "secrets: {}\n"])
def test_one_secret_more_is_proved(old: str) -> None:
    new = ANOTHER if old == ONE_SECRET else f"{old.replace('secrets: {}', '')}\nsecrets:\n  b: {{}}\n"
    assert refusal(new, old) is None


@pytest.mark.parametrize(
    "new",
    [
        ONE_SECRET,
        ANOTHER.replace("a: 1", "a: 2"),
        ANOTHER.replace("x: {}", "x: {store: azure}"),
        ANOTHER.replace("b: {}", "c: {}"),
        f"{ANOTHER}  c: {{}}\n",
        "a: 1\nsecrets: [b]\n",
        "a: 1\nsecrets: {}\n",
    ],
)
def test_whatever_else_a_text_says_is_refused(new: str) -> None:
    assert refusal(new) == (
        "usage",
        "environments/prod.yaml has a form that no secret can be added to",
        "add it by hand",
    )


def test_a_text_that_cannot_be_read_is_refused_without_a_place_in_it() -> None:
    found = refusal(f"{ONE_SECRET}  b: {{\n")
    assert found is not None
    assert found[1].startswith("environments/prod.yaml would not be readable: ")


@pytest.mark.parametrize("reading", [None, {"secrets": {}}, {"secrets": {"b": {}}}, {"secrets": []}, []])
def test_an_edit_that_another_reader_takes_for_something_else_is_refused(
    monkeypatch: pytest.MonkeyPatch, reading: object
) -> None:
    monkeypatch.setattr(yaml_edit, "_second_reading", lambda text: {"a": 1} if text == ONE_SECRET else reading)
    assert refusal(ANOTHER) is not None
