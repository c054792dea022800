"""Finds the chart and a Helm, and runs it with limits of time and output.

A project may come from a stranger, so only a Helm that the user named or has on PATH is run. Helm follows links in a
chart, loads the JSON schemas that it refers to, over the network too, and does so in packed subcharts: all is checked
first.
"""

import json
import os
import re
import selectors
import stat
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from compiler.model.document import Diagnostic, Severity, Source, Span, file_error, first_of_a_kind
from compiler.model.environment import Project
from compiler.model.facts import MAX_MANIFEST_BYTES
from compiler.model.files import is_inside, leads_out
from compiler.pipeline import plan_values, write_values
from compiler.refusal import Refusal, system_reason
from compiler.stages.files import read_text
from compiler.text.wording import command_line, quote, shell_line

_BLOCK = 64 * 1024


class OutputTooLargeError(Exception):
    """The program printed more than the limit, and was ended."""


def run_bounded(
    command: Sequence[str], env: Mapping[str, str], seconds: float, most: int, folder: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs `command` without input, in `folder`, and returns what it printed, undecodable bytes replaced.

    Raises OutputTooLargeError past `most` bytes on either stream, subprocess.TimeoutExpired and OSError; with any
    exception the program is ended.
    """
    deadline = time.monotonic() + seconds
    with subprocess.Popen(  # noqa: S603 - the caller gives a full path, and there is no shell
        list(command),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(env),
        cwd=folder,
    ) as process:
        try:
            out, err = _read(process, deadline, most)
            process.wait(max(0.0, deadline - time.monotonic()))
        finally:
            # A program that has ended is not disturbed.
            process.kill()
    texts = (b"".join(blocks).decode("utf-8", "replace") for blocks in (out, err))
    return subprocess.CompletedProcess(list(command), process.returncode, *texts)


def _read(process: subprocess.Popen[bytes], deadline: float, most: int) -> tuple[list[bytes], list[bytes]]:
    pipes = [pipe.fileno() for pipe in (process.stdout, process.stderr) if pipe is not None]
    read: dict[int, list[bytes]] = {pipe: [] for pipe in pipes}
    sizes = dict.fromkeys(pipes, 0)
    with selectors.DefaultSelector() as selector:
        for pipe in pipes:
            selector.register(pipe, selectors.EVENT_READ)
        while selector.get_map():
            left = deadline - time.monotonic()
            if left <= 0:
                raise subprocess.TimeoutExpired(process.args, 0)
            for key, _ in selector.select(left):
                block = os.read(key.fd, _BLOCK)
                read[key.fd].append(block)
                sizes[key.fd] += len(block)
                if sizes[key.fd] > most:
                    raise OutputTooLargeError
                if not block:
                    selector.unregister(key.fd)
    return read[pipes[0]], read[pipes[1]]


_FOLDER = "chart"
_RULE = "unconfined-chart"
_SCHEMA = "values.schema.json"
# Each text of a JSON file, and the colon after it where it is a key: outside its texts JSON has no quotes. One without
# an end goes to the end of the file, so that no character is looked at twice.
_TEXT = re.compile(r'("[^"\\]*+(?:\\.?[^"\\]*+)*+"?)([ \t\r\n]*+:)?', re.DOTALL)
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
# Drafts that Helm knows by itself; any other is fetched.
_KNOWN = re.compile(r"https?://json-schema\.org/(?:draft-0[467]/schema|draft/20(?:19-09|20-12)/schema|schema)#?")


def find_chart(root: Path) -> tuple[Path, tuple[Diagnostic, ...]]:
    """The chart of the project in `root`, and why Helm may not get it. Raises HelmError where there is none."""
    chart = root / _FOLDER
    if not (chart / "Chart.yaml").is_file():
        # A chart of which a part is there is completed.
        rest = ["--upgrade"] if (chart / "templates").is_dir() else []
        help_text = f"add it with `{command_line('new', 'chart', *rest)}`, or name the project that has it with --root"
        raise HelmError('there is no chart in "chart/"', help_text=help_text)
    # As for what is written there: the folder may be a link to another one of the project.
    if leads_out(root, chart):
        return chart, (
            _file_error(_FOLDER, "leads out of the project through a link", "replace the link with the folder"),
        )
    return chart.resolve(), tuple(first_of_a_kind(_findings(root, chart)))


def chart_at(folder: Path) -> tuple[Path, tuple[Diagnostic, ...]]:
    """The chart that a person named, anywhere, and why Helm may not get it. Raises HelmError where there is none."""
    if not (folder / "Chart.yaml").is_file():
        way_out = "name the folder of an unpacked chart, with its Chart.yaml and its subcharts"
        raise HelmError(f"there is no chart in {quote(str(folder))}", help_text=way_out)
    chart, here = folder.resolve(), Path.cwd()
    root = here if is_inside(here, chart) and chart != here else chart.parent
    return chart, tuple(first_of_a_kind(_findings(root, chart)))


def _findings(root: Path, chart: Path) -> Iterator[Diagnostic]:
    # A list and no recursion: folders can be nested deeper than calls.
    waiting = [chart]
    while waiting:
        path = waiting.pop()
        shown = path.relative_to(root).as_posix()
        try:
            mode = (path.stat() if path is chart else path.lstat()).st_mode
            if stat.S_ISDIR(mode):
                waiting += sorted(path.iterdir(), reverse=True)
        except OSError as error:
            reason = system_reason(error)
            yield _file_error(shown, f"cannot be read: {reason}", "make it readable, or remove it")
            continue
        if stat.S_ISLNK(mode):
            yield _file_error(shown, "is a link", "replace the link with what it points to")
        elif stat.S_ISREG(mode):
            yield from _of_file(root, path, shown)
        elif not stat.S_ISDIR(mode):
            yield _file_error(shown, "is not a regular file", "remove it")


def _of_file(root: Path, path: Path, shown: str) -> Iterator[Diagnostic]:
    if path.suffix == ".tgz" and path.parent.name == "charts":
        yield _file_error(shown, "is a packed chart, whose files cannot be checked", "unpack it there")
    if path.name != _SCHEMA:
        return
    text, diagnostics = read_text(root, shown)
    yield from diagnostics
    source, key = Source(shown, text or ""), ""
    for match in _TEXT.finditer(source.text):
        word = _decode(match[1])
        if match[2]:
            key = word
            continue
        if key in _REFERENCES and not word.startswith("#"):
            span = Span(source, *match.span(1))
            yield _schema_error(
                span, "the schema refers to something outside of it", f'refer to a part of it: "{key}": "#/…"'
            )
        elif key == "$schema" and not _KNOWN.fullmatch(word):
            span, way_out = Span(source, *match.span(1)), 'write "http://json-schema.org/draft-07/schema#"'
            yield _schema_error(span, "the schema uses a draft that Helm would have to download", way_out)
        key = ""


def _decode(text: str) -> str:
    if "\\" not in text:
        return text[1:].removesuffix('"')
    try:
        return str(json.loads(text, strict=False))
    except ValueError:
        # No JSON, so that Helm refuses the whole file.
        return ""


def _file_error(shown: str, what: str, help_text: str) -> Diagnostic:
    return file_error(_RULE, shown, f"{shown} {what}", help_text)


def _schema_error(span: Span, message: str, help_text: str) -> Diagnostic:
    return Diagnostic(_RULE, Severity.ERROR, message, span, help=help_text)


VARIABLE = "PLATFORM_SECRETS_HELM"
RELEASE = "platform-secrets"
_VERSION = re.compile(r"v?(\d{1,3})\.(\d{1,3})\b")
# By major, the oldest minor. Before 3.11.1 `getHostByName` in a template asked the network (CVE-2023-25165).
_OLDEST = {3: 12, 4: 0}
# Where `scripts/install_helm.sh` puts it in the clone that this program runs from. It is named, and not run unasked.
_OF_CLONE = Path(__file__).resolve().parents[1] / ".tools/helm4/helm"
_NAME_ONE = "give the path of the program of a Helm 3 or 4, or name none to have the one on PATH"
# A Helm that takes longer waits for something that rendering must not need.
_SECONDS = 60
# Garbage collection takes a quarter of a short run's processor time, and is worth it only for a chart that needs more
# memory than this.
_COLLECT_FROM = {"GOGC": "off", "GOMEMLIMIT": "256MiB"}


class HelmError(Refusal):
    """Helm is missing, unusable or refuses the chart; `details` are Helm's own words, which quote values."""

    def __init__(self, message: str, details: str = "", help_text: str | None = None) -> None:
        super().__init__("cannot run", message, help_text, details)


@dataclass(frozen=True, slots=True)
class Helm:
    """One Helm: the path of its program, and its version such as `3.22`."""

    path: Path
    version: str


def helm_at(path: Path) -> Helm:
    """The Helm whose program lies at `path`. Raises HelmError where there is none of a usable version."""
    if not path.is_file():
        raise HelmError(f"there is no Helm at {path}", help_text=_NAME_ONE)
    match = _VERSION.match(_run(path, ("version", "--short")).stdout)
    if match is None or int(match[1]) not in _OLDEST:
        raise HelmError(f"{path} is not Helm 3 or 4", help_text=_NAME_ONE)
    if int(match[2]) < _OLDEST[int(match[1])]:
        way_out = "use Helm 3.12 or newer: in an older one a chart can reach the network"
        raise HelmError(f"{path} is too old: Helm {match[1]}.{match[2]}", help_text=way_out)
    return Helm(path, f"{match[1]}.{match[2]}")


def find_helms(root: Path, named: Sequence[str], environ: Mapping[str, str]) -> tuple[Helm, ...]:
    """The Helms `named` on the command line, those of PLATFORM_SECRETS_HELM, or the one on PATH.

    None is looked for in the project's folder `root`. Raises HelmError when no Helm is found or a named file is not
    Helm.
    """
    paths = [Path(name) for name in named] or _of_variable(environ.get(VARIABLE, "")) or [_on_path(root, environ)]
    return tuple(map(helm_at, dict.fromkeys(paths)))


def _of_variable(text: str) -> list[Path]:
    paths = [Path(name) for name in text.split(os.pathsep) if name]
    if not all(path.is_absolute() for path in paths):
        # It outlives the folder that it was written in: in the next project it would be a program of that one.
        raise HelmError(f"{VARIABLE} holds a relative path", help_text="write the absolute path of each program")
    return paths


def _on_path(root: Path, environ: Mapping[str, str]) -> Path:
    skipped = False
    for folder in map(Path, environ.get("PATH", os.defpath).split(os.pathsep)):
        program = folder / "helm"
        if not os.access(program, os.X_OK) or not program.is_file():
            continue
        # `.` or `node_modules/.bin` on PATH would let each project bring its own.
        if folder.is_absolute() and not is_inside(root, program):
            return program
        skipped = True
    why = "; the one on PATH is in the project or in a relative folder, and must be named to be run" if skipped else ""
    way_out = f"put Helm 3 or 4 on PATH, or name one with --helm or {VARIABLE}{why}"
    if _OF_CLONE.is_file():
        way_out += f"; the one of the clone is {shell_line('--helm', str(_OF_CLONE))}"
    raise HelmError("no Helm is installed", help_text=way_out)


def template(
    helm: Helm,
    chart: Path,
    values_files: Sequence[Path],
    *,
    release: str = RELEASE,
    namespace: str | None = None,
) -> str:
    """What `helm template` prints for `chart`, which `find_chart` gave. Raises HelmError where it refuses."""
    values = [f"--values={path.absolute()}" for path in values_files]
    # Options are joined to their values: a release that begins with a hyphen must not become one.
    names = [f"--namespace={namespace}"] if namespace is not None else []
    done = _run(helm.path, ("template", *values, *names, "--", release, str(chart.absolute())))
    if done.returncode:
        raise HelmError(f"Helm {helm.version} refuses the chart", done.stderr.strip())
    return done.stdout


def _run(program: Path, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    try:
        with TemporaryDirectory() as home:
            # All that it is given: no credential, no proxy, and none of a person's plugins, repositories and clusters,
            # which must not change what a chart renders to; and a working folder that is not the project's.
            environment = {"PATH": os.defpath, "HOME": home, "TMPDIR": home, "KUBECONFIG": os.devnull, **_COLLECT_FROM}
            command = [str(program.absolute()), *arguments]
            return run_bounded(command, environment, _SECONDS, MAX_MANIFEST_BYTES, folder=home)
    except OutputTooLargeError:
        raise HelmError(f"{program} printed more than {MAX_MANIFEST_BYTES} bytes") from None
    except subprocess.TimeoutExpired:
        raise HelmError(f"{program} did not end within {_SECONDS} seconds") from None
    except OSError as error:
        raise HelmError(f"{program} cannot be run: {system_reason(error)}") from None


def render(project: Project, helm: Helm, chart: Path, release: str = RELEASE, namespace: str | None = None) -> str:
    """The manifests of the only environment of `project`, by `chart`, which `find_chart` gave.

    The chart gets its own values, also where the environment's file nests them for a parent chart. `namespace` is by
    default the environment's. Raises HelmError and Refusal.
    """
    (environment,) = project.environments
    with TemporaryDirectory() as folder:
        root = Path(folder)
        files, diagnostics = plan_values(project, root, "", root, nests=False)
        if diagnostics or write_values(files, root):
            raise Refusal("cannot run", "the values cannot be written to a temporary folder", "check TMPDIR")
        namespace = namespace or environment.root.text("namespace")
        return template(helm, chart, [files[0].output.path], release=release, namespace=namespace)
