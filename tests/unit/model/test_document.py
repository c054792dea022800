import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.model.document import Diagnostic, Document, Node, Severity, Source, Span, extent

TEXT = "stores: {vault: {mount: secret}}\nuse: [pat]\nslack:\n"
SOURCE = Source("a.yaml", TEXT)


def node(value: object, text: str, key: str = "") -> Node:
    start = TEXT.index(text)
    key_start = TEXT.index(key) if key else -1
    return Node(value, SOURCE, extent(start, start + len(text), key_start, key_start + len(key) if key else -1))  # type: ignore[arg-type]


@pytest.fixture
def root() -> Node:
    mount = node("secret", "secret", "mount")
    vault = node({"mount": mount}, "{mount: secret}", "vault")
    stores = node({"vault": vault}, "{vault: {mount: secret}}", "stores")
    use = node((node("pat", "pat"),), "[pat]", "use")
    slack = Node(None, SOURCE, extent(50, 50, 44, 49))
    return Node({"stores": stores, "use": use, "slack": slack}, SOURCE, extent(0, len(TEXT)))


def test_a_path_leads_to_a_node_or_nothing(root: Node) -> None:
    mount = root.get("stores", "vault", "mount")
    assert mount is not None
    assert mount.value == "secret"
    assert root.get() is root
    for missing in (
        ("stores", "azure"),
        ("stores", "azure", "mount"),
        ("use", "pat"),
        ("stores", "vault", "mount", "x"),
    ):
        assert root.get(*missing) is None


def test_text_is_for_strings_only(root: Node) -> None:
    assert root.text("stores", "vault", "mount") == "secret"
    assert root.text("stores", "vault") is None
    assert root.text("slack") is None
    assert root.text("nothing") is None


def test_the_nearest_node_stands_for_a_missing_one(root: Node) -> None:
    assert root.nearest("stores", "vault", "server", "x") is root.get("stores", "vault")
    assert root.nearest("nothing") is root
    assert root.nearest("stores", "vault", "mount") is root.get("stores", "vault", "mount")


def test_spans_of_a_value_and_its_key(root: Node) -> None:
    vault = root.children["stores"].children["vault"]
    assert vault.span.where == "a.yaml:1:17"
    assert vault.key_span.where == "a.yaml:1:10"
    item = root.children["use"].items[0]
    assert item.key_span == item.span


def test_children_and_items_exist_for_their_kind_only(root: Node) -> None:
    assert list(root.children) == ["stores", "use", "slack"]
    assert root.items == ()
    assert root.children["use"].children == {}
    assert root.children["slack"].children == {}


def test_only_an_unwritten_null_is_empty(root: Node) -> None:
    assert root.children["slack"].is_empty
    assert not Node(None, SOURCE, extent(0, 4)).is_empty
    assert not Node("", SOURCE, extent(3, 3)).is_empty


def test_plain_data_and_walk_reach_everything(root: Node) -> None:
    assert root.plain_data() == {"stores": {"vault": {"mount": "secret"}}, "use": ["pat"], "slack": None}
    assert [each.start for each in root.walk()] == [0, 8, 16, 24, 38, 39, 50]


@pytest.mark.parametrize(
    "offsets", [(0, 0, -1, -1), (1, 2, 3, 4), (0, 0, 0, 0), (4_194_304, 4_194_305, 4_194_300, 4_194_303)]
)
def test_an_extent_keeps_its_four_offsets_apart(offsets: tuple[int, int, int, int]) -> None:
    node = Node("x", SOURCE, extent(*offsets))
    assert (node.start, node.end, node.key_start, node.key_end) == offsets


def test_a_document_without_content_is_blank() -> None:
    assert Document(SOURCE, Node({}, SOURCE, extent(0, 0))).is_blank
    assert not Document(SOURCE, Node({}, SOURCE, extent(0, 2))).is_blank


UNICODE_SOURCE = Source("a.yaml", "one\r\ntwö\n\nend")


@pytest.mark.parametrize(
    ("offset", "place"),
    [
        (0, (1, 1)),
        (2, (1, 3)),
        (3, (1, 4)),
        (4, (1, 5)),
        (5, (2, 1)),
        (8, (2, 4)),
        (9, (3, 1)),
        (10, (4, 1)),
        (13, (4, 4)),
    ],
)
def test_place_of_an_offset(offset: int, place: tuple[int, int]) -> None:
    assert UNICODE_SOURCE.place(offset) == place


@pytest.mark.parametrize(("line", "text"), [(1, "one"), (2, "twö"), (3, ""), (4, "end")])
def test_bounds_of_a_line_leave_its_break_out(line: int, text: str) -> None:
    start, end = UNICODE_SOURCE.line_bounds(line)
    assert UNICODE_SOURCE.text[start:end] == text


def test_a_source_without_text_has_a_first_line() -> None:
    empty = Source("a.yaml")
    assert (empty.place(0), empty.line_bounds(1)) == ((1, 1), (0, 0))


def test_a_lone_carriage_return_ends_no_line() -> None:
    assert Source("a.yaml", "\r\n\r").line_bounds(1) == (0, 0)
    assert Source("a.yaml", "a\rb").place(2) == (1, 3)


@given(st.text(st.sampled_from("a\r\n\u2028é")), st.data())
def test_line_and_column_lead_back_to_the_offset(text: str, data: st.DataObject) -> None:
    source = Source("a.yaml", text)
    offset = data.draw(st.integers(0, len(text)))
    last = len(text.removesuffix("\n").removesuffix("\r"))
    line, column = source.place(offset)
    assert line == text.count("\n", 0, min(offset, last)) + 1
    assert source.line_bounds(line)[0] + column - 1 == min(offset, last)


@pytest.mark.parametrize(
    ("text", "place"), [("a: b\n", (1, 5)), ("a: b\r\n", (1, 5)), ("a: b", (1, 5)), ("a\n\n", (2, 1)), ("\n", (1, 1))]
)
def test_behind_the_last_line_is_its_end(text: str, place: tuple[int, int]) -> None:
    assert Source("a.yaml", text).place(len(text)) == place
    assert Source("a.yaml", text).place(len(text) + 5) == place


def test_a_span_says_where_it_is() -> None:
    span = Span(UNICODE_SOURCE, 5, 8)
    assert (span.path, span.line, span.column, span.where) == ("a.yaml", 2, 1, "a.yaml:2:1")


def test_the_text_of_a_file_is_in_no_representation() -> None:
    assert "two" not in repr(Span(Source("a.yaml", "two")))


def test_equal_findings_are_equal_so_that_they_can_be_told_once() -> None:
    source = Source("a.yaml", "secret text")
    one, same = (Diagnostic("r", Severity.ERROR, "m", Span(source, 0, 1)) for _ in range(2))
    other = Diagnostic("r", Severity.ERROR, "m", Span(Source("a.yaml", "secret text"), 0, 1))
    assert {one, same} == {one}
    assert one != other


def test_a_diagnostic_cannot_change_and_its_representation_has_no_input() -> None:
    found = Diagnostic("r", Severity.WARNING, "m", Span(Source("a.yaml", "secret text"), 0, 1))
    with pytest.raises(AttributeError):
        found.message = "x"  # type: ignore[misc]
    assert "secret text" not in repr(found)


def test_severities_are_written_as_formats_want_them() -> None:
    assert [severity.value for severity in Severity] == ["error", "warning", "note"]
