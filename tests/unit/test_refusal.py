from compiler.cli.exit_codes import COULD_NOT_RUN, FOUND, OF_REFUSAL, USAGE
from compiler.refusal import Refusal


def test_a_refusal_holds_what_is_shown() -> None:
    refused = Refusal("cannot run", "no", "do this", "a\nb")
    assert (refused.kind, refused.message, refused.help, refused.details) == ("cannot run", "no", "do this", "a\nb")
    assert str(refused) == "no"
    assert (Refusal("usage", "no").help, Refusal("usage", "no").details) == (None, "")


def test_every_kind_has_its_exit_code() -> None:
    assert OF_REFUSAL == {"usage": USAGE, "cannot run": COULD_NOT_RUN, "found": FOUND}
