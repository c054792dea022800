"""Quotes the operator's messages without the values that they may contain; the caller gets no value."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Never

from compiler.cluster.judge import moment_of
from compiler.cluster.objects import LiveObject, child, ready_of, spec_writers
from compiler.stores.interface import RemoteSecret
from compiler.stores.secret_value.document import array_items, object_members
from compiler.stores.secret_value.secret import HIDDEN, LEAST, SecretValue, forms
from compiler.text.command_line import shell_line

# Forms are looked up by so many of their first characters: many values begin alike, but not for so long.
_START = 8
# What may stand behind a text that was cut off in the middle of a value.
_CUT = ".…\ufffd \"'`)]}"
# Before every value.
EVER = datetime.min.replace(tzinfo=UTC)
# Of a message of the operator: what a person reads.
_LONGEST = 300
_ENTRA = re.compile(r"AADSTS[0-9]{3,9}", re.ASCII)
_AGE = re.compile(r"\A(?:just now|[0-9]+[dhm] ago): ", re.ASCII)
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "m"))


def values_of(remote: RemoteSecret) -> Iterator[SecretValue]:
    """Every value of a remote secret, those within nested documents too."""
    waiting = [*remote.properties.values(), *((remote.whole,) if remote.whole is not None else ())]
    while waiting:
        value = waiting.pop()
        yield value
        waiting += (*object_members(value).values(), *array_items(value))


class Mask:
    """Hides `secrets` in texts, in plain, Base64, URL or JSON form; and their beginning where a text was cut off in it.

    A value of fewer than four characters, a boolean, null, and the words for them are never hidden, as they occur in
    ordinary sentences. Build one for all the texts of a run: then a text costs time by its own length,
    however many values there are.
    """

    __slots__ = ("__by_start",)

    def __init__(self, secrets: Iterable[SecretValue]) -> None:
        by_start: dict[str, set[str]] = {}
        for secret in secrets:
            for form in forms(secret.reveal()):
                by_start.setdefault(form[:_START], set()).add(form)
        self.__by_start = by_start

    def __repr__(self) -> str:
        return f"Mask({HIDDEN})"

    def __reduce_ex__(self, _protocol: object) -> Never:
        raise TypeError("a Mask cannot be pickled")

    def hides(self, text: str) -> str:
        """`text` with `…` for each place where a value stands."""
        shown: list[str] = []
        at = hidden_to = 0
        stop = len(text.rstrip(_CUT))
        for start in range(len(text) - LEAST + 1):
            end = self._end(text, start, stop)
            if end <= hidden_to:
                continue
            # A value that begins inside of another one goes on hiding: no rest of either is left.
            if start >= hidden_to:
                shown += (text[at:start], HIDDEN)
            at = hidden_to = end
        return "".join((*shown, text[at:]))

    def _end(self, text: str, start: int, stop: int) -> int:
        """Where the longest value that begins at `start` ends, or the text at `stop` in the midst of it; 0 for none."""
        here: set[str] = set()
        for length in range(LEAST, _START + 1):
            here |= self.__by_start.get(text[start : start + length], set())
        end = max((start + len(form) for form in here if text.startswith(form, start)), default=0)
        left = stop - start
        if left >= _START and any(len(form) > left and form.startswith(text[start:stop]) for form in here):
            return max(end, stop)
        return end


class Quotes:
    """Quotes what the operator says of live objects, under one rule for every command.

    A message is shown without the values of `remotes`, and only where every value that it may quote was read and is no
    newer than the message: `since` is the date of the newest one, None where one could not be read. A long one is cut
    to its sentence, unless `is_whole`.
    """

    def __init__(self, remotes: Iterable[RemoteSecret], *, is_whole: bool = False) -> None:
        self._is_whole = is_whole
        self._mask = Mask(value for remote in remotes for value in values_of(remote))

    def of_condition(self, found: LiveObject, since: datetime | None, line: str) -> str:
        """The message of an object's Ready condition, empty for none; the command `line` shows it."""
        condition = ready_of(found)
        moment = moment_of(condition.get("lastTransitionTime"))
        return self._quoted(str(condition.get("message") or ""), moment, since, line)

    def of_failure(
        self, external_secret: LiveObject, warning: LiveObject | None, since: datetime | None, now: datetime
    ) -> str:
        """What the newest warning says, with its age, as it says more than the condition; else the condition's."""
        metadata = child(external_secret, "metadata")
        where, name = str(metadata.get("namespace")), str(metadata.get("name"))
        line = shell_line("kubectl", "-n", where, "describe", "externalsecret", name)
        moment = moment_of(warning["moment"]) if warning is not None else None
        changed = moment_of(max((time for time, _, _ in spec_writers(external_secret)), default=None))
        is_before = moment is not None and changed is not None and moment < changed
        if warning is None or is_before or not warning["message"]:
            # The spec before may have read other values.
            return self.of_condition(external_secret, max(since, changed or since) if since else None, line)
        return _age(moment, now) + self._quoted(warning["message"], moment, since, line)

    def _quoted(self, said: str, moment: datetime | None, since: datetime | None, line: str) -> str:
        text = said.strip()
        if not text or (since is not None and (moment or EVER) >= since):
            # Masked first: a value may have more than one line, and end behind the cut.
            shown = " ".join(self._mask.hides(text).split())
            return shown if self._is_whole else _sentence(shown)
        why = "the values to hide could not be read" if since is None else "it may quote an earlier value"
        return f"its message is not shown, as {why}: {line}"


def is_of_credential(said: str) -> bool:
    """Whether a message is about the log-in of the operator itself, by a code of Entra."""
    return _ENTRA.search(said) is not None


def without_age(said: str) -> str:
    """A quoted message without how long ago it was said."""
    return _AGE.sub("", said, count=1)


def _sentence(text: str) -> str:
    """A long text as its first sentence, or as the one that Entra's code begins; with the way to the rest."""
    if len(text) <= _LONGEST:
        return text
    code = _ENTRA.search(text)
    rest = text[code.start() :] if code is not None else text
    end = rest.find(". ", 0, _LONGEST)
    return f"{rest[: end + 1] if end >= 0 else rest[:_LONGEST]} … (the rest with --debug)"


def _age(moment: datetime | None, now: datetime) -> str:
    if moment is None:
        return ""
    # Clocks differ.
    seconds = max(0, round((now - moment).total_seconds()))
    unit = next((each for each in _UNITS if seconds >= each[0]), None)
    return f"{seconds // unit[0]}{unit[1]} ago: " if unit is not None else "just now: "
