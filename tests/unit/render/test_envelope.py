from compiler.render.content import envelope


def test_what_all_have_is_around_the_content() -> None:
    whole = envelope("diff", "prod", 1, {"changes": []})
    assert list(whole.items()) == [
        ("format", 1),
        ("command", "diff"),
        ("environment", "prod"),
        ("changes", []),
        ("exitCode", 1),
    ]
    assert envelope("rules", None, 0, {})["environment"] is None
