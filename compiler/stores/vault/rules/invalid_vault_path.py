"""A path that Vault or its clients would read as another one.

A path is put into a URL as it is. `..` leaves the mount, so `../sys/policy` really calls Vault's own administration;
an empty part or a `/` at either end names another secret to some clients and none to others; `%`, `?` and `#` end the
path or change it; `*` and `+` are wildcards in the policies that have to allow it; `bao` takes a `-` at the beginning
for an option; space at an end and control characters cannot be seen in a review.

    github:
      remote: {vault: /ai-platform-engineering//github-secret/}

Write the parts with one `/` between them:

    github:
      remote: {vault: ai-platform-engineering/github-secret}

A store's `mount` and `prefix` are checked in the same way; a prefix may end in `/`.
"""

import re

from compiler.rules.api import ENVIRONMENT, ERROR, Catalogue, Environment, Findings, rule, wrong_names
from compiler.stores.vault.provider import PROVIDER
from compiler.text.characters import foreign_character

# Nearly every path looks like this and needs no closer look.
_PLAIN = re.compile(r"(?!-)[A-Za-z0-9_-]+(?:/[A-Za-z0-9_-]+)*", re.ASCII)
_SPECIAL = re.compile(r"[%?#*+\\]")


@rule("invalid-vault-path", ERROR, ENVIRONMENT, checks_catalogue=True)
def check(subject: Catalogue | Environment) -> Findings:
    return wrong_names(subject, PROVIDER, _problem, _way_out)


def _problem(path: str) -> str | None:
    """The mistake in `path`, as the end of a sentence."""
    if _PLAIN.fullmatch(path):
        return None
    parts = path.split("/")
    special = _SPECIAL.search(path)
    found = (
        (".." in parts or "." in parts, 'has a part "." or "..", which leads elsewhere'),
        (not parts[0] or not parts[-1], 'starts or ends with "/"'),
        ("" in parts, 'has two "/" in a row'),
        (special is not None, f'has "{special and special.group()}", which means something else in a URL or a policy'),
        (path.startswith("-"), 'begins with "-", which commands take for an option'),
        (not path.isprintable(), "has an invisible character"),
        (any(part != part.strip() for part in parts), "has a part that starts or ends with a space"),
    )
    return next((problem for is_so, problem in found if is_so), None)


def _way_out(path: str, problem: str) -> str:
    if '"/"' in problem:
        return 'write one "/" between its parts, and none at its beginning or end'
    if "elsewhere" in problem:
        return 'remove "." and ".." from it'
    if "invisible" not in problem:
        return "remove it"
    # Letters that are not ASCII are no mistake in a path.
    unseen = "".join("x" if character.isprintable() else character for character in path)
    return foreign_character(unseen) or "remove it"
