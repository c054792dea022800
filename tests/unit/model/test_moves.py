from compiler.model.environment import moves_of
from compiler.stages.load import load_text


def test_the_store_and_the_steps_are_read() -> None:
    document, _ = load_text("environments/prod.yaml", "moves: {to: azure, steps: [[jira], [a, b], [all]]}\n")
    assert document is not None
    found = moves_of(document.root)
    assert found is not None
    assert (found.to, found.steps) == ("azure", (("jira",), ("a", "b"), ("all",)))
    assert found.node is document.root.get("moves")


def test_what_is_left_out_is_empty() -> None:
    document, _ = load_text("environments/prod.yaml", "moves: {}\n")
    assert document is not None
    found = moves_of(document.root)
    assert found is not None
    assert (found.to, found.steps) == ("", ())


def test_without_moves_there_are_none() -> None:
    for text in ("store: vault\n", "moves: null\n"):
        document, _ = load_text("environments/prod.yaml", text)
        assert document is not None
        assert moves_of(document.root) is None
