"""Turns the options of `generate argocd` into what is wanted, and back into the arguments that make the files again."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from compiler.generate.argocd.forms import FORMS
from compiler.generate.argocd.wanted import ChartSource, Platform, Wanted
from compiler.model.confinement import is_inside
from compiler.operations.generated.files import refuse_unfit
from compiler.pipeline import VALUES_FOLDER
from compiler.refusal import Refusal
from compiler.rules.forms.kubernetes_form import namespace_problem, object_name_problem
from compiler.text.credential import looks_like_credential
from compiler.text.regex import regex
from compiler.text.wording import listed, quoted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from compiler.model.environment import Environment

# The AppProject where neither an option nor an environment names one.
PROJECT: Final = "platform-secrets"
DEFAULTS: Final = {
    "--revision": "main",
    "--path": VALUES_FOLDER,
    "--project": PROJECT,
    "--namespace": "argocd",
    "--platform-project": "default",
}
# The options that one form alone takes.
_OF_FORM = {
    "multi-source": ("--chart-repo", "--chart-revision", "--chart"),
    "app-of-apps": (
        "--platform-repo",
        "--platform-chart",
        "--platform-version",
        "--platform-values",
        "--platform-project",
    ),
}
_PLATFORM = ("--platform-repo", "--platform-chart", "--platform-version", "--platform-values")
_FOLDERS = ("--path", "--platform-values")
# Where app-of-apps has its Applications from, unless --out says it.
_APPS = "argocd"
_WORD = regex(r"[A-Za-z0-9][!-~]*", re.ASCII)
_PATH = regex(r"[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)*", re.ASCII)
# An address that Git takes: with a scheme, or as ssh's; and what was to be one with a scheme.
_URL = regex(r"[A-Za-z][A-Za-z0-9+.-]*://[^/]+/.+|[^/:]+:[^/].*", re.ASCII)
_NO_SCHEME = regex(r"(?:https?|ssh|git|file|oci)(?:/|:(?!//))", re.ASCII | re.IGNORECASE)
_USER = regex(r"(?:([a-z0-9+.-]{1,16})://)?([^/?#@]*)@", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Given:
    """What the command line says: the form, the values of options as typed, and the folder with how it is shown."""

    form: str | None
    options: Mapping[str, Any]
    out: tuple[Path, str] | None

    def of(self, option: str) -> str | None:
        """The value of an option, or its default; None where it has neither."""
        value = self.options.get(option)
        return DEFAULTS.get(option) if value is None else str(value)

    def need(self, option: str) -> str:
        """The value of an option that has one."""
        return self.of(option) or ""


def wanted_of(given: Given, root: Path) -> Wanted:
    """What the options ask for. Raises Refusal for a missing or wrong one, and shows none that may be a secret."""
    if given.form is None:
        raise Refusal("usage", "argocd needs --form", f"choose one of {', '.join(FORMS)}")
    if given.of("--repo") is None:
        raise Refusal("usage", "argocd needs --repo", "give the URL of the Git repository that this project is in")
    _refuse_foreign(given)
    for option, value in given.options.items():
        if isinstance(value, str) and option not in ("--form", "--out"):
            _judge(option, value)
    refuse_unfit(given.out[1] if given.out is not None else "", "folder")
    clusters = _clusters(given)
    path = given.need("--path")
    apps = _apps(given, root, path) if given.form == "app-of-apps" else ""
    return Wanted(
        given.need("--repo"),
        given.need("--revision"),
        path,
        given.need("--project"),
        given.need("--namespace"),
        clusters,
        _chart(given),
        apps,
        _platform(given),
    )


def named_project(environments: Sequence[Environment]) -> str | None:
    """The AppProject that all the environments name by `argocdProject`, or the default; None where they differ."""
    names = {environment.root.text("argocdProject") or PROJECT for environment in environments}
    return names.pop() if len(names) == 1 else None


def words_of(given: Given, environments: list[str], project: str | None = PROJECT) -> list[str]:
    """The arguments that generate the same files, in a fixed order and without defaults.

    `project` is the AppProject where none is given.
    """
    words = ["generate", "argocd", *environments]
    defaults = {**DEFAULTS, "--project": project}
    for option, value in given.options.items():
        if isinstance(value, list):
            words += [word for each in sorted(value) for word in (option, each)]
        elif value is not None and value != defaults.get(option):
            words += [option, given.out[1] if option == "--out" and given.out is not None else value]
    return words


def _refuse_foreign(given: Given) -> None:
    for form, options in _OF_FORM.items():
        for option in options:
            if given.options.get(option) is not None and given.form != form:
                raise Refusal("usage", f"{option} is an option of --form {form}", f"leave {option} out")


def _judge(option: str, value: str) -> None:
    userinfo = _USER.match(value)
    # ssh needs a user's name; a password, or a token in its place, would be committed.
    has_secret = userinfo is not None and (":" in userinfo[2] or (userinfo[1] or "ssh").lower() != "ssh")
    if has_secret or looks_like_credential(value):
        way_out = "Argo CD takes credentials from a repository Secret of its own; replace this one: it is exposed"
        raise Refusal("usage", f"{option} has a credential in it, which would be committed", way_out)
    if not _WORD.fullmatch(value) and option not in _FOLDERS:
        raise Refusal(
            "usage", f"{option} may only have printable ASCII without spaces, and begins with a letter or digit"
        )
    if _NO_SCHEME.match(value) or (option == "--repo" and _URL.fullmatch(value) is None):
        way_out = "write it as https://HOST/PATH, ssh://USER@HOST/PATH or USER@HOST:PATH"
        raise Refusal("usage", f"{option} is not the URL of a repository", way_out)
    if option in _FOLDERS and (not _PATH.fullmatch(value) or ".." in value.split("/")):
        way_out = "write it from the repository's root, such as secrets/chart"
        raise Refusal("usage", f"{option} is not the path of a folder in the repository", way_out)
    problem = None
    if option == "--namespace":
        problem = namespace_problem(value)
    elif option in ("--project", "--platform-project", "--platform-chart"):
        # Names of Applications are made of it.
        problem = object_name_problem(value, 63)
    if problem is not None:
        raise Refusal("usage", f"{option} {problem}")


def _clusters(given: Given) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in given.options.get("--cluster") or ():
        environment, equals, name = each.partition("=")
        if not (environment and equals and name):
            raise Refusal("usage", "--cluster is ENV=NAME", "name an environment, and its cluster as Argo CD names it")
        _judge("--cluster", name)
        if environment in found:
            raise Refusal("usage", f"--cluster names {quoted(environment)} twice", "name it once")
        found[environment] = name
    return found


def _chart(given: Given) -> ChartSource | None:
    if given.form != "multi-source":
        return None
    chart = given.of("--chart")
    if chart is not None:
        for option in ("--chart-repo", "--chart-revision"):
            if given.of(option) is None:
                raise Refusal("usage", f"--chart needs {option}", "name the registry, and the chart's version")
    revision = given.of("--chart-revision") or given.need("--revision")
    return ChartSource(given.of("--chart-repo") or given.need("--repo"), revision, chart)


def _platform(given: Given) -> Platform | None:
    missing = [option for option in _PLATFORM if given.of(option) is None]
    if len(missing) == len(_PLATFORM):
        return None
    if missing:
        raise Refusal("usage", f"the platform's Application needs {', '.join(missing)}", "give them all, or none")
    repo, chart, version, values = (given.need(option) for option in _PLATFORM)
    return Platform(repo, chart, version, values, given.need("--platform-project"))


def _apps(given: Given, root: Path, path: str) -> str:
    """The folder in the repository that the Applications will be committed in."""
    below = _APPS
    if given.out is not None:
        # By no link and no `..`: it is a path in the repository. Path.resolve raises for links in a circle.
        folder, root = Path(os.path.realpath(given.out[0])), Path(os.path.realpath(root))
        if not is_inside(root, folder):
            way_out = "Argo CD reads the Applications from the repository: name a folder of the project"
            raise Refusal("usage", "--out of app-of-apps is not in the project", way_out)
        below = folder.relative_to(root).as_posix()
    # The chart is the project's `chart`: what stands before it is the project's own folder in the repository.
    before, _, last = path.rpartition("/")
    if last != VALUES_FOLDER:
        way_out = "name the project's chart folder, whose place tells where --out is in the repository"
        raise Refusal("usage", f"--path of app-of-apps does not end in {listed([VALUES_FOLDER])}", way_out)
    return f"{before}/{below}" if before else below
