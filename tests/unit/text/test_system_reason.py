from compiler.refusal import system_reason


def test_the_systems_words_stand_without_number_and_path() -> None:
    assert system_reason(PermissionError(13, "Permission denied", "/a/path")) == "permission denied"
    assert system_reason(OSError("of a library, with whatever it holds")) == "unknown reason"
