from compiler.model import group_pairs


def test_groups_are_in_the_order_in_which_members_come() -> None:
    groups = group_pairs([("b", 1), ("a", 2), ("b", 3), ("a", 0)])
    assert list(groups.items()) == [("b", [1, 3]), ("a", [2, 0])]
    assert group_pairs(()) == {}
