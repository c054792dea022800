"""A path that Vault or its clients would read as another one.

A path is put into a URL as it is. `..` leaves the mount, so `../sys/policy` really calls Vault's own administration;
an empty part or a `/` at either end names another secret to some clients and none to others; `%`, `?` and `#` end the
path or change it; `*` and `+` are wildcards in the policies that have to allow it; space at an end and control
characters cannot be seen in a review.

    github:
      remote: {vault: /ai-platform-engineering//github-secret/}

Write the parts with one `/` between them:

    github:
      remote: {vault: ai-platform-engineering/github-secret}

A store's `mount` and `prefix` are checked in the same way; a prefix may end in `/`.
"""

import re

from compiler.model.store import DEFAULT_MOUNT
from compiler.rules.api import ENVIRONMENT, ERROR, Catalogue, Environment, Finding, Findings, quoted, rule
from compiler.rules.forms.names import WrongName, wrong_in_catalogue, wrong_in_environment
from compiler.stores.vault.provider import PROVIDER
from compiler.text.characters import foreign_character

# Nearly every path looks like this and needs no closer look.
_PLAIN = re.compile(r"[A-Za-z0-9_-]+(?:/[A-Za-z0-9_-]+)*", re.ASCII)
_SPECIAL = re.compile(r"[%?#*+\\]")


def check_catalogue(catalogue: Catalogue) -> Findings:
    return map(_finding, wrong_in_catalogue(catalogue, PROVIDER, _problem))


@rule("invalid-vault-path", ERROR, ENVIRONMENT, catalogue_check=check_catalogue)
def check(environment: Environment) -> Findings:
    for store in environment.stores.values():
        if store.provider is PROVIDER and store.mount != DEFAULT_MOUNT and (problem := _problem(store.mount)):
            message = f"the mount {quoted(store.mount)} {problem}"
            yield Finding(message, store.node.nearest("mount"), help=_way_out(problem), scope=("stores", store.id))
    yield from map(_finding, wrong_in_environment(environment, PROVIDER, _problem))


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
        (not path.isprintable(), "has an invisible character"),
        (any(part != part.strip() for part in parts), "has a part that starts or ends with a space"),
    )
    return next((problem for is_so, problem in found if is_so), None)


def _way_out(problem: str) -> str:
    return 'write the parts with one "/" between them' if '"/"' in problem or "elsewhere" in problem else "remove it"


def _finding(wrong: WrongName) -> Finding:
    what = "the prefix" if wrong.text is None else f"the path {quoted(wrong.text)}"
    way_out = _way_out(wrong.problem)
    if "invisible" in wrong.problem:
        # Letters that are not ASCII are no mistake in a path.
        unseen = "".join("x" if character.isprintable() else character for character in wrong.text or "")
        way_out = foreign_character(unseen) or way_out
    return Finding(f"{what} {wrong.problem}", wrong.node, help=way_out, scope=wrong.scope)
