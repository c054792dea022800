import ast
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from compiler.cli.commands import COMMANDS
from compiler.edit.chart import chart_files, new_chart
from compiler.edit.new_project import (
    Draft,
    address_scalar,
    check_name,
    compile_drafts,
    environment_text,
    known_layers,
    name_of_folder,
    new_environment,
    new_project,
    option_span,
    project_files,
    write_new,
)
from compiler.edit.yaml_edit import Splice
from compiler.model.document import Severity, Source, Span
from compiler.pipeline import compile_edited, compile_project
from compiler.refusal import Refusal
from compiler.stages.files import Output
from tests.platforms import write_agents_project

PROGRAM = Path(__file__).resolve().parents[3] / "compiler"


FILES = project_files("shop", "shop-ns", "vault", {})


def test_a_new_project_compiles_without_a_word(tmp_path: Path) -> None:
    for path, text in FILES.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, "utf-8")
    result = compile_project(tmp_path)
    assert (result.diagnostics, result.project is not None) == ((), True)
    for name in ("environment", "catalogue", "values"):
        assert (tmp_path / f"schemas/{name}.schema.json").stat().st_size > 1000


def test_a_new_project_has_the_chart_that_its_values_are_for() -> None:
    assert chart_files().items() <= FILES.items()


def test_a_new_project_has_a_name_a_namespace_and_no_secret_yet() -> None:
    base, catalogue = FILES["environments/base.yaml"], FILES["environments/catalogue.yaml"]
    assert "\nnamespace: shop-ns\npartOf: shop\nargocdProject: shop-secrets\nstore: vault\n" in base
    assert base.endswith("\nsecrets: {}\n")
    assert catalogue.endswith(
        '\nnaming:\n  name: shop\n  target: "{name}-{secret}"\n  vault: "{namespace}/{secret}"\n'
        '  azurekv: "{namespace}-{secret}"\n'
    )
    assert FILES["README.md"].startswith("# Secrets of shop\n")
    written = "".join(text for path, text in FILES.items() if not path.startswith(("chart/", "schemas/")))
    assert "ai-platform" not in written
    assert "agent" not in written


def test_the_objects_of_a_new_project_are_part_of_its_platform(tmp_path: Path) -> None:
    for path, text in FILES.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, "utf-8")
    project = compile_project(tmp_path).project
    assert project is not None
    assert [environment.part_of for environment in project.environments] == ["shop"]


def test_the_stores_are_where_they_are_said_to_be() -> None:
    url, server = "https://shop.vault.azure.net", "https://vault.shop.example"
    base = project_files("shop", "shop", "azurekv", {"vault": server, "azurekv": url})["environments/base.yaml"]
    assert "\nstore: azure\n" in base
    assert f"\n    server: {server}\n    mount: secret\n" in base
    assert f"\n    vaultUrl: {url}\nsecrets:" in base
    assert "vaultUrl" not in FILES["environments/base.yaml"]


def test_names_that_yaml_reads_otherwise_are_quoted() -> None:
    files = project_files("no", "1", "vault", {})
    assert '\nnamespace: "1"\npartOf: "no"\nargocdProject: no-secrets\n' in files["environments/base.yaml"]
    assert '\n  name: "no"\n' in files["environments/catalogue.yaml"]


def test_make_alone_lists_the_tasks(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text(FILES["Makefile"], "utf-8")
    # Below another make it would say which folder it is in.
    make = ["/usr/bin/make", "--no-print-directory"]
    asked, alone = (
        subprocess.run([*make, *words], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
        for words in (["help"], [])
    )
    assert asked == alone
    assert [line.split()[:2] for line in asked.splitlines()] == [["make", name] for name in ("help", "values", "check")]


def test_git_ignores_what_commands_leave(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text(FILES[".gitignore"], "utf-8")
    git = ["/usr/bin/git", "-C", str(tmp_path)]
    subprocess.run([*git, "init", "-q"], check=True)
    left = [
        *["prod.age", "backups/prod.age", "audit.jsonl", "migration-audit.jsonl", "audit-2025-01.jsonl"],
        *[".platform-secrets/runs/x.jsonl", "chart/.values-dev.yaml.1.platform-secrets-tmp"],
    ]
    kept = ["chart/values-dev.yaml", "environments/dev.yaml", ".gitignore", ".vscode/settings.json", "Makefile"]
    done = subprocess.run([*git, "check-ignore", *left, *kept], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == left


TASK = re.compile(r"`make ([a-z-]+)|^\s*make ([a-z-]+) ENV=", re.MULTILINE)
FILE = re.compile(r"(?<![\w/.-])(?:scripts|docs|tests|requirements|schemas)/[\w./-]*\w")
# Reading what a text of the program is takes most of the time, and few modules hold one of these.
ADVICE = re.compile(r"make |platform-secrets |(?:scripts|docs|tests|requirements|schemas)/")
COMMAND = re.compile(r"(?:^ *|`|run )platform-secrets ([a-z]+)", re.MULTILINE)


def _texts_of_the_program() -> Iterator[str]:
    """Every text that the program may print: its strings, without the docstrings of what is no rule or command."""
    for path in sorted(PROGRAM.rglob("*.py")):
        if path.parent.name == "demo" or path.parent.parent.name == "demo":
            continue
        text = path.read_text("utf-8")
        if not ADVICE.search(text):
            continue
        nodes = list(ast.walk(ast.parse(text)))
        docs = {
            id(node.body[0].value)
            for node in nodes
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and node.body
            and isinstance(node.body[0], ast.Expr)
            and not (isinstance(node, ast.Module) and path.parent.name == "rules")
        }
        for node in nodes:
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
                yield node.value


@pytest.mark.heavy
def test_what_texts_advise_exists_in_a_new_project() -> None:
    advised: set[str] = set()
    for text in (*FILES.values(), *_texts_of_the_program()):
        advised |= {f"make {one or other}" for one, other in TASK.findall(text)}
        advised |= {f"platform-secrets {name}" for name in COMMAND.findall(text)}
        advised |= set(FILE.findall(text))
    tasks = re.findall(r"^([a-z-]+):.*## ", FILES["Makefile"], re.MULTILINE)
    folders = {str(folder) for path in FILES for folder in Path(path).parents}
    there = {f"make {name}" for name in tasks} | {f"platform-secrets {name}" for name in COMMANDS} | FILES.keys()
    assert advised - there - folders == set()
    assert {"make values", "make check", "platform-secrets put"} <= advised


def test_links_of_a_new_project_lead_to_its_files() -> None:
    for path, text in FILES.items():
        if path.endswith(".md"):
            for target in re.findall(r"\]\(([^)\s]+)\)", text):
                file, _, _ = target.partition("#")
                if file and "://" not in file:
                    assert os.path.normpath(Path(path).parent / file) in FILES, target


SHOP: tuple[str, str, str, dict[str, str]] = ("shop", "shop", "vault", {})
URL = "https://shop-qa.vault.azure.net"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_agents_project(tmp_path)
    return tmp_path


def refused(call: Callable[[], object]) -> tuple[str, str, str | None]:
    with pytest.raises(Refusal) as caught:
        call()
    return caught.value.kind, caught.value.message, caught.value.help


def test_a_name_must_be_there_and_fit_a_file_and_an_entry() -> None:
    assert check_name("secret", "a-1") == "a-1"
    assert refused(lambda: check_name("secret", None))[:2] == ("usage", "the new secret needs a name")
    for name in ("A", "../up", "-a", "a" * 64, ""):
        assert refused(partial(check_name, "secret", name))[1] == "the secret's name is invalid"


def test_a_project_begins_in_an_empty_folder_and_leaves_gits_files_alone(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new/.gitignore").touch()
    outputs, result = new_project(tmp_path / "new", *SHOP)
    assert result.diagnostics == ()
    assert "environments/base.yaml" in {each.shown for each in outputs}
    assert ".gitignore" not in {each.shown for each in outputs}
    (tmp_path / "new/file").touch()
    assert refused(lambda: new_project(tmp_path / "new", *SHOP))[:2] == (
        "usage",
        "the folder of a new project must be empty, or in a Git repository",
    )
    kind, message, _ = refused(lambda: new_project(tmp_path / "new/file", *SHOP))
    assert (kind, message) == ("cannot run", "the folder cannot be used: file exists")


@pytest.mark.parametrize("place", [".", "secrets"])
def test_a_project_begins_beside_the_other_files_of_a_repository(place: str, tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    folder = tmp_path / place
    kept = ["README.md", "Makefile", ".vscode/settings.json"]
    for name in (*kept, "src/main.go"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("mine\n", "utf-8")
    outputs, result = new_project(folder, *SHOP)
    assert result.diagnostics == ()
    shown = {each.shown for each in outputs}
    assert {"environments/base.yaml", "chart/Chart.yaml", ".gitignore"} <= shown
    assert not shown & set(kept)
    write_new(outputs, folder)
    assert {(folder / name).read_text("utf-8") for name in kept} == {"mine\n"}


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ("environments/other.yaml", "environments"),
        ("chart/Chart.yaml", "chart"),
        ("schemas/values.schema.json", "schemas/values.schema.json"),
    ],
)
def test_nothing_of_a_repository_is_replaced(there: str, said: str, tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / there).parent.mkdir()
    (tmp_path / there).write_text("mine\n", "utf-8")
    kind, message, _ = refused(lambda: new_project(tmp_path, *SHOP))
    assert (kind, message) == ("usage", f"{said} already exists")
    assert (tmp_path / there).read_text("utf-8") == "mine\n"


def test_a_link_that_leads_nowhere_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "README.md").symlink_to("gone")
    outputs, _ = new_project(tmp_path, *SHOP)
    assert "README.md" not in {each.shown for each in outputs}


def test_a_chart_is_never_replaced(root: Path) -> None:
    outputs = new_chart(root)
    write_new(outputs, root)
    assert (root / "chart/Chart.yaml").is_file()
    assert refused(lambda: new_chart(root)) == (
        "usage",
        f"{outputs[0].shown} already exists",
        "`platform-secrets new chart --upgrade` compares it with this release; to add it again, move it away first",
    )


def test_an_environment_is_one_file_below_layers_that_exist(root: Path) -> None:
    output, result, lacks = new_environment(root, "qa", ["prod"])
    assert (result.diagnostics, lacks) == ((), None)
    assert (output.path, output.text.splitlines()[-1]) == (root / "environments/qa.yaml", "extends: [prod]")
    assert refused(lambda: new_environment(root, "prod", []))[1] == "environments/prod.yaml already exists"
    assert refused(lambda: new_environment(root, "base", []))[1] == '"base" is a reserved name'
    assert refused(lambda: new_environment(root, "qa", ["prd"]))[1:] == (
        'there is no layer "prd"',
        'did you mean "prod"?',
    )


@pytest.mark.parametrize(
    ("folder", "name"), [("shop", "shop"), ("My_Shop 2", "my-shop-2"), ("-x-", "x"), ("a" * 62 + "_b", "a" * 62)]
)
def test_a_platform_is_called_as_its_folder(tmp_path: Path, folder: str, name: str) -> None:
    assert name_of_folder(tmp_path / folder) == name


def test_a_folder_without_a_letter_names_no_platform(tmp_path: Path) -> None:
    kind, message, help_text = refused(lambda: name_of_folder(tmp_path / "___"))
    assert (kind, message) == ("usage", "the folder's name is not valid for a platform")
    assert (help_text or "").startswith("give --name; ")


@pytest.mark.parametrize(
    ("platform", "rule", "path"),
    [
        (("shop", "No_Name", "vault", {}), "invalid-kubernetes-name", "--namespace"),
        (("shop", "shop", "vault", {"vault": "vault:8200"}), "invalid-address", "--server"),
        (
            ("shop", "shop", "azurekv", {"azurekv": "http://x.vault.azure.net"}),
            "invalid-address",
            "--vault-url",
        ),
    ],
)
def test_what_a_project_is_told_wrongly_is_found_there(
    tmp_path: Path, platform: tuple[str, str, str, dict[str, str]], rule: str, path: str
) -> None:
    _, result = new_project(tmp_path / "new", *platform)
    assert result.failed
    assert (rule, path) in {(each.rule, each.span.path) for each in result.diagnostics}
    assert {each.span.path for each in result.diagnostics} == {path}


def test_an_environment_has_its_store_and_the_address_of_one(root: Path) -> None:
    output, result, lacks = new_environment(root, "qa", [], "azure", {"azurekv": URL})
    assert output.text.endswith(f"\nstore: azure\nstores:\n  azure:\n    vaultUrl: {URL}\n")
    assert (result.diagnostics, lacks) == ((), None)
    # Half and half: what it reads by default stays, and the other store has its address.
    addresses = {"vault": "https://vault.example.com", "azurekv": URL}
    assert new_environment(root, "qa", ["prod"], None, addresses)[0].text.splitlines()[2:] == [
        *["extends: [prod]", "stores:", "  vault:", "    server: https://vault.example.com"],
        *["  azure:", f"    vaultUrl: {URL}"],
    ]


def test_what_a_layer_says_already_is_not_said_again(root: Path) -> None:
    prod = new_environment(root, "qa", ["prod"], "azure", {"azurekv": URL})[0].text
    (root / "environments/eu.yaml").write_text(prod, "utf-8")
    again = new_environment(root, "us", ["eu"], "azure", {"azurekv": URL})[0].text
    assert (prod.count("azure:"), prod.count("store: azure")) == (1, 1)
    assert again.splitlines()[1:] == ["# What us sets differently from eu.", "extends: [eu]"]


def test_a_store_without_an_address_is_told(root: Path) -> None:
    assert new_environment(root, "qa", [], "azure")[2] is None
    base = root / "environments/base.yaml"
    base.write_text(base.read_text("utf-8").replace(', vaultUrl: "https://agents.vault.azure.net"', ""), "utf-8")
    assert new_environment(root, "qa", [], "azure")[2] == "vaultUrl"
    assert new_environment(root, "qa", [], "azure", {"azurekv": URL})[2] is None
    assert new_environment(root, "qa", [], "vault", {"azurekv": URL})[2] is None


def test_a_store_that_there_is_not_is_refused_with_those_that_are(root: Path) -> None:
    assert refused(lambda: new_environment(root, "qa", [], "azurekv")) == (
        "usage",
        'there is no store "azurekv"',
        'did you mean "azure"?',
    )
    assert refused(lambda: new_environment(root, "qa", [], "blue"))[2] == 'the stores are "vault", "azure"'


def test_an_address_needs_one_store_that_it_is_for(root: Path) -> None:
    base = root / "environments/base.yaml"
    text = base.read_text("utf-8")
    second = "  azure2: {provider: azurekv, name: azure-two}\nsecrets"
    base.write_text(text.replace("secrets", second), "utf-8")
    assert refused(lambda: new_environment(root, "qa", [], None, {"azurekv": URL})) == (
        "usage",
        '--vault-url may be for "azure", "azure2"',
        "choose one with --store, or write its `vaultUrl` into the file",
    )
    chosen, *_ = new_environment(root, "qa", [], "azure2", {"azurekv": URL})
    assert f"  azure2:\n    vaultUrl: {URL}\n" in chosen.text
    base.write_text("\n".join(line for line in text.splitlines() if "azurekv" not in line), "utf-8")
    assert refused(lambda: new_environment(root, "qa", [], None, {"azurekv": URL})) == (
        "usage",
        "--vault-url is for a store with `provider: azurekv`, and the environment has none",
        "add one to `stores` of environments/base.yaml",
    )
    base.unlink()
    assert refused(lambda: new_environment(root, "qa", [], "vault"))[2] == "there are no stores"


def test_a_wrong_address_is_found_where_it_was_given(root: Path) -> None:
    _, result, _ = new_environment(root, "qa", [], "azure", {"azurekv": "http://a.vault.azure.net/x"})
    assert {each.span.path for each in result.diagnostics} == {"--vault-url"}
    assert result.failed


def test_what_an_environment_still_lacks_does_not_keep_it_from_being_made(root: Path) -> None:
    (root / "environments/base.yaml").unlink()
    assert new_environment(root, "first", [])[1].diagnostics == ()


def test_layers_with_errors_have_no_stores_to_choose_from(root: Path) -> None:
    (root / "environments/prod.yaml").write_text("extends: [nobody]\n", "utf-8")
    assert refused(lambda: new_environment(root, "qa", ["prod"], "azure"))[0] == "found"


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    output = Output(tmp_path / "file/below.yaml", "file/below.yaml", "")
    assert refused(lambda: write_new([output], tmp_path))[:2] == (
        "cannot run",
        "file cannot be created: file exists",
    )
    (tmp_path / "folder").mkdir()
    kind, message, _ = refused(lambda: write_new([Output(tmp_path / "folder", "folder", "")], tmp_path))
    assert (kind, message.startswith("folder ")) == ("cannot run", True)


def test_an_environment_names_what_it_extends() -> None:
    assert environment_text("qa", ()).splitlines() == [
        "# yaml-language-server: $schema=../schemas/environment.schema.json",
        "# What qa sets differently from base.",
    ]
    assert environment_text("qa", ("europe", "no")).splitlines()[1:] == [
        "# What qa sets differently from europe and no.",
        'extends: [europe, "no"]',
    ]


def test_an_environment_has_the_store_and_the_addresses_that_are_given() -> None:
    addresses = {"azure": ("vaultUrl", "https://shop.vault.azure.net"), "no": ("server", 'x"')}
    assert environment_text("prod", (), "azure", addresses).splitlines()[2:] == [
        "store: azure",
        "stores:",
        "  azure:",
        "    vaultUrl: https://shop.vault.azure.net",
        '  "no":',
        '    server: "x\\""',
    ]


@pytest.mark.parametrize("text", ["https://a.b: c", "https://x #y", "{a}", "https://", "https://a:"])
def test_what_is_no_url_is_quoted(text: str) -> None:
    assert address_scalar(text) == f'"{text}"'


PATH = "environments/prod.yaml"
OLD = "labels: {team: platform}\n"


def text_at(span: Span) -> tuple[str, str]:
    return span.path, span.source.text[span.start : span.end]


def test_what_is_kept_points_at_the_file_as_it_stands() -> None:
    draft = Draft(Source(PATH, OLD), (Splice(0, 0, "store: azure\n"),), {(): option_span("NAME", "x")})
    at = draft.text.index("team")
    assert text_at(draft.place(Span(Source(PATH, draft.text), at, at + 4))) == (PATH, "team")
    assert draft.place(Span(Source(PATH, draft.text), at, at + 4)).line == 1


def test_a_span_whose_end_is_new_is_where_it_begins() -> None:
    draft = Draft(Source(PATH, "a: 1\n"), (Splice(4, 4, "23"),), {(): option_span("NAME", "x")})
    assert text_at(draft.place(Span(Source(PATH, draft.text), 3, 5))) == (PATH, "")


@pytest.mark.parametrize(
    ("word", "origin"), [("new", ("--name", "new")), ("pair", ("--pair", "pair")), ("stores", ("NAME", "x"))]
)
def test_what_is_new_points_at_what_was_option_span(word: str, origin: tuple[str, str]) -> None:
    origins = {
        (): option_span("NAME", "x"),
        ("stores", "azure"): option_span("--pair", "pair"),
        ("stores", "azure", "name"): option_span("--name", "new"),
    }
    draft = Draft(Source(PATH), (Splice(0, 0, "stores:\n  azure:\n    name: new\n    pair: 1\n"),), origins)
    at = draft.text.index(word)
    assert text_at(draft.place(Span(Source(PATH, draft.text), at, at + len(word)))) == origin


def test_only_what_is_new_is_found_and_what_it_hides_stays_hidden(tmp_path: Path) -> None:
    write_agents_project(tmp_path, vault="http://old.example.com")
    (tmp_path / PATH).write_text(OLD, "utf-8")
    text = 'stores: {azure: {vaultUrl: "https://a:hunter22@b.vault.azure.net"}}\n'
    origins = {
        (): option_span("NAME", "x"),
        ("stores", "azure", "vaultUrl"): option_span("--vault-url", "https://a:hunter22@b"),
    }
    result = compile_drafts(tmp_path, [Draft(Source(PATH, OLD), (Splice(len(OLD), len(OLD), text),), origins)])
    assert result.failed
    assert "invalid-address" in {each.rule for each in result.diagnostics}
    assert "insecure-address" not in {each.rule for each in result.diagnostics}
    for each in result.diagnostics:
        assert text_at(each.span) == ("--vault-url", "https://a:hunter22@b")
        assert {span.path for span in each.conceals} <= {"--vault-url"}
    assert (tmp_path / PATH).read_text("utf-8") == OLD


def test_places_beside_it_are_those_of_the_files(tmp_path: Path) -> None:
    write_agents_project(tmp_path)
    catalogue = tmp_path / "environments/catalogue.yaml"
    old = catalogue.read_text("utf-8")
    at = old.index("  jira:")
    entry = "  more:\n    target: agent-jira-secrets\n    remote: {vault: x}\n    syncWave: -49\n    keys: {K: {}}\n"
    draft = Draft(
        Source("environments/catalogue.yaml", old), (Splice(at, at, entry),), {(): option_span("NAME", "more")}
    )
    base = tmp_path / "environments/base.yaml"
    text = base.read_text("utf-8")
    end = text.index("jira: {}")
    listing = Draft(
        Source("environments/base.yaml", text), (Splice(end, end, "more: {}, "),), {(): option_span("--into", "base")}
    )
    (found,) = compile_drafts(tmp_path, [draft, listing]).diagnostics
    # In the new text this line is five further down.
    assert (found.rule, found.span.line) == ("duplicate-target", old[: old.index("target: agent-jira")].count("\n") + 1)
    assert [text_at(each.span) for each in found.related] == [("NAME", "more")]


def test_every_layer_is_known(tmp_path: Path) -> None:
    write_agents_project(tmp_path)
    assert known_layers(tmp_path) == ("base", "prod")
    (tmp_path / "environments/layers").mkdir()
    (tmp_path / "environments/layers/eu.yaml").touch()
    assert known_layers(tmp_path) == ("base", "eu", "prod")


def test_an_edit_is_compared_with_the_text_that_was_read(tmp_path: Path) -> None:
    write_agents_project(tmp_path)
    (tmp_path / PATH).write_text("store: nowhere\n", "utf-8")
    before, after, new = compile_edited(tmp_path, {PATH: "store: azur\n"}, as_read={PATH: OLD})
    assert (before.failed, after.failed) == (False, True)
    assert [each.rule for each in new if each.severity is Severity.ERROR] == ["unknown-store"]
    assert compile_edited(tmp_path, {PATH: OLD}, as_read={PATH: OLD})[2] == ()


def test_a_diagnostic_that_comes_once_more_is_new(tmp_path: Path) -> None:
    write_agents_project(tmp_path)
    once = "secrets: {github: {waive: {nothing: why}}}\n"
    twice = "secrets: {github: {waive: {nothing: why}}, jira: {waive: {nothing: why}}}\n"
    *_, new = compile_edited(tmp_path, {PATH: twice}, as_read={PATH: once})
    assert [each.rule for each in new] == ["unknown-rule"]
    assert compile_edited(tmp_path, {PATH: f"\n{once}"}, as_read={PATH: once})[2] == ()
