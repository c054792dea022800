"""Words messages: quotes, lists and counts names, suggests the closest word, and quotes every command line for a shell.

Command lines, of this program and of others, work when they are pasted: no other module quotes for a shell.
"""

from __future__ import annotations

from contextvars import ContextVar
from functools import lru_cache

TYPE_CHECKING = False  # not from typing: `--help` is to start at once
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Final


# More names than this make a message that nobody reads to its end.
_MOST_NAMES = 5
# Where a line is about these names alone; JSON has all.
MOST_OF_A_LINE = 12
# A name in Kubernetes has 253 characters, and the path of a file seldom more.
_LONGEST_NAME = 300


# A thousand environments on one vault name the same few secrets thousands of times; looking for credentials is slow.
@lru_cache(maxsize=1024)
def quote(name: str) -> str:
    """`name` in double quotes on one line, cut if overlong, with parts that look like a credential as `…`."""
    from compiler.text.credential import conceal  # noqa: PLC0415 - `--help` quotes no name

    shown = name
    if not name.isprintable():
        shown = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in name)
    # Before it is cut: of a part of a credential nobody knows what it is.
    concealed = conceal(shown)
    return f'"{concealed}"' if len(concealed) <= _LONGEST_NAME else f'"{concealed[:_LONGEST_NAME]}..."'


def is_shown_whole(name: str) -> bool:
    """Whether `quote` shows a name as it is, so that a printed line may hold it."""
    return quote(name) == f'"{name}"'


def list_names(names: Iterable[str], most: int = _MOST_NAMES) -> str:
    """The quoted names with commas between; of more than `most` the rest is cut, and it says how many were left off."""
    all_names = list(names)
    text = ", ".join(quote(name) for name in all_names[:most])
    left = len(all_names) - most
    return f"{text} and {left} more" if left > 0 else text


def pieces_of(names: Sequence[str], most: int = MOST_OF_A_LINE) -> tuple[str, ...]:
    """The names as they are with commas between, each a piece of a line; of more than `most` the rest is counted."""
    shown = [piece for name in names[:most] for piece in (", ", name)][1:]
    left = len(names) - most
    return (*shown, f" and {left} more") if left > 0 else tuple(shown)


def pluralize(count: int, what: str) -> str:
    """`1 key`, `2 keys`; `what` is the singular of a regular noun."""
    return f"{count} {what}{'' if count == 1 else 's'}"


def name_versions(versions: Sequence[str]) -> str:
    """`version 1`, `versions 1, 2`; an empty text for none."""
    if not versions:
        return ""
    return f"version {versions[0]}" if len(versions) == 1 else f"versions {', '.join(versions)}"


# A list longer than this helps nobody; that of an environment's keys, which are 19, does.
_SHORT_LIST = 20
# No name of anything is longer; comparing costs time in proportion to the length.
_LONGEST_WORD = 253


def closest(word: str, allowed: Iterable[str]) -> str | None:
    """The allowed word most like `word`, or None."""
    if len(word) > _LONGEST_WORD:
        return None
    # Only a mistake needs it, and most runs have none.
    from difflib import get_close_matches  # noqa: PLC0415

    choices = list(allowed)
    by_folded = {choice.casefold(): choice for choice in reversed(choices)}
    found = get_close_matches(word.casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[found[0]] if found else None


def suggest(word: str, allowed: Iterable[str], kind: str) -> str | None:
    """The help line for an unknown word: `did you mean "github"?`, or the allowed ones where the list is short.

    `kind` names what is listed, in the plural ("variants", "stores"). Only allowed words are quoted, never `word`.
    """
    choices = list(allowed)
    match = closest(word, choices)
    if match is not None:
        return f'did you mean "{match}"?'
    if not choices:
        return f"there are no {kind}"
    if len(choices) > _SHORT_LIST:
        return None
    if len(choices) == 1:
        return f'the only one is "{choices[0]}"'
    return f"the {kind} are " + ", ".join(f'"{choice}"' for choice in choices)


_TEMPLATES = ("{{", "${", "$(", "<%")
_QUOTES = "\u201c\u201d\u201e\u2018\u2019\u00ab\u00bb"


def typing_mistake(text: str) -> str | None:
    """The way out for a value that is wrong because of how it was typed, or None."""
    if any(sign in text for sign in _TEMPLATES):
        return "templates are not supported: write the value itself"
    if any(sign in text for sign in _QUOTES):
        return "type straight quotes in place of typographic ones"
    return "write it on the line of its key, without `|` or `>`" if text.endswith("\n") else None


def first_difference(old: str, new: str) -> int:
    """The offset in `old` of the first line that `new` has otherwise; its last character where it goes on in `new`."""
    offset = 0
    for before, after in zip(old.splitlines(keepends=True), new.splitlines(keepends=True), strict=False):
        if before != after:
            break
        offset += len(before)
    return min(offset, max(0, len(old) - 1))


PROGRAM = "platform-secrets"
# The option that names a store of others, which messages offer where one may be the same.
NOT_THE_SAME = "--not-the-same"
# The option that names a store of the environment, which messages offer where the cluster may read another one.
ACCEPT_STORE = "--accept-store"
BLANK = "…"
_ROOT: Final[ContextVar[str | None]] = ContextVar("the project's folder, as the command was given it", default=None)
_CONTEXT: Final[ContextVar[str | None]] = ContextVar(
    "the kubeconfig's context, as the command was given it", default=None
)


def name_project(root: str | None) -> None:
    """Let every command line from here on name this folder of the project; None where it is found from here."""
    _ROOT.set(root)


def project_to_name() -> str | None:
    """The folder that command lines name; None where the project is found from here."""
    return _ROOT.get()


def name_context(context: str | None) -> None:
    """Let every line of kubectl and helm from here on name this context of the kubeconfig; None for the current one."""
    _CONTEXT.set(context)


def asking_cluster() -> list[str]:
    """The options by which a command asks the cluster that this one asks."""
    context = _CONTEXT.get()
    return ["--cluster", *(["--context", context] if context is not None else [])]


def command_line(*words: str) -> str:
    """The line that runs this program with `words`, none a secret's value, in the same project, quoted for a shell."""
    root = _ROOT.get()
    return shell_line(PROGRAM, *(["--root", root] if root is not None else []), *words)


def repeat_option(option: str, values: Iterable[str]) -> list[str]:
    """The words that give an option once with each of `values`."""
    return [word for value in values for word in ((option, value) if value[:1] != "-" else (f"{option}={value}",))]


def shell_line(*words: str) -> str:
    """`words`, none a secret's value, quoted for a shell; `…` stands for what the reader fills in."""
    import shlex  # noqa: PLC0415 - only where one is printed

    return " ".join(word if word == BLANK else shlex.quote(word) for word in words)


def kubectl_line(*words: str) -> str:
    """The line that runs kubectl with `words` on the cluster that this command asks, quoted for a shell."""
    return _cluster_line("kubectl", "--context", words)


def helm_line(*words: str) -> str:
    """As `kubectl_line`, for Helm."""
    return _cluster_line("helm", "--kube-context", words)


def _cluster_line(program: str, option: str, words: Sequence[str]) -> str:
    context = _CONTEXT.get()
    return shell_line(program, *([option, context] if context is not None else []), *words)


def install_line(extra: str | None = None) -> str:
    """The line that installs an extra, or the program alone, into the environment that runs this.

    An environment made by `uv tool`, `uv venv` or pipx with uv has no pip: there uv installs. Where the program runs
    from a clone without being installed, the clone is named: its bare name would be asked of a package index, where
    anybody may offer something under it.
    """
    import sys  # noqa: PLC0415 - only where one is printed
    from importlib.metadata import PackageNotFoundError, distribution  # noqa: PLC0415
    from importlib.util import find_spec  # noqa: PLC0415
    from pathlib import Path  # noqa: PLC0415

    try:
        distribution(PROGRAM)
    except PackageNotFoundError:
        what = str(Path(__file__).resolve().parents[2])
    else:
        what = PROGRAM
    if extra is not None:
        what += f"[{extra}]"
    python = sys.executable or "python"
    has_pip = find_spec("pip") is not None
    program = (python, "-m", "pip", "install") if has_pip else ("uv", "pip", "install", "--python", python)
    return shell_line(*program, what)
