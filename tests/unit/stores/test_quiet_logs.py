import logging

import pytest

from compiler.stores.http import silence


@pytest.fixture(autouse=True)
def _as_in_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    # Without pytest's own handler; what is added to the list is gone afterwards.
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    monkeypatch.setattr(logging.getLogger("a client"), "handlers", [])
    monkeypatch.setattr(logging.getLogger("a client"), "propagate", True)


def test_nothing_that_a_client_logs_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    silence("a client")
    logging.getLogger("a client.login").error("s3ntinel")
    logging.getLogger("another").warning("s3ntinel")
    logging.exception("s3ntinel")  # noqa: LOG015, LOG004 - as a client does, which gives the root logger a handler
    assert capsys.readouterr() == ("", "")


def test_no_handler_of_others_gets_a_record_of_a_named_client() -> None:
    seen: list[logging.LogRecord] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(record)

    logging.getLogger().addHandler(Kept())
    silence("a client")
    logging.getLogger("a client.login").error("s3ntinel")
    logging.getLogger("another").error("shown")
    assert [record.getMessage() for record in seen] == ["shown"]
