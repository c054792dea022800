import json
from pathlib import Path

import pytest

from compiler.project_files import Library
from compiler.stages.resolve import catalogue_of
from tests.commands import EditFile, RunCommand
from tests.platforms import environment_of

ROOT = Path(__file__).resolve().parents[4]


def _all_files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_what_comes_next_is_for_the_same_project(
    run: RunCommand, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.parent)
    done = run("new", "environment", "qa", "--root", "project")
    assert done.out.endswith(", then run platform-secrets --root project compile qa\n")


def test_an_environment_compiles_at_once(run: RunCommand, project: Path) -> None:
    before = _all_files(project)
    done = run("new", "environment", "prod-eu", "--extends", "prod")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("environments/prod-eu.yaml: written\nnext: ")
    after = _all_files(project)
    text = after.pop("environments/prod-eu.yaml").decode()
    assert after == before
    assert text.startswith("# yaml-language-server: $schema=../schemas/environment.schema.json\n")
    assert text.endswith("\nextends: [prod]\n")
    assert run("compile", "prod-eu").out.endswith("chart/values-prod-eu.yaml: written, 7 secrets, 22 keys\n")
    assert run("diff", "prod", "prod-eu").code == 0


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("environment", "prod"), "environments/prod.yaml already exists"),
        (("environment", "base"), '"base" is a reserved name'),
        (("environment", "catalogue"), '"catalogue" is a reserved name'),
        (("environment", "Prod EU"), "the environment's name is invalid"),
        (("environment", "../up"), "the environment's name is invalid"),
        (("environment",), "the new environment needs a name"),
        (("environment", "qa", "--extends", "prd"), 'there is no layer "prd"\nhelp: did you mean "prod"?'),
        (("environment", "qa", "--target", "x"), 'unknown option "--target"'),
        (("secret", "x", "--extends", "prod"), 'unknown option "--extends"'),
        (("secret", "x", "--name", "y"), 'unknown option "--name"'),
        (("secret", "x", "--vault-url", "y"), 'unknown option "--vault-url"'),
        (("environment", "qa", "--store", "blue"), 'there is no store "blue"\nhelp: the stores are "vault", "azure"'),
        (("secret", "github", "--key", "K"), 'the catalogue already has a secret "github"'),
        (("secret", "GitHub"), "the secret's name is invalid"),
        (("project",), "the folder of a new project must be empty, or in a Git repository\nhelp: name another one"),
        (("chart", "x"), 'unexpected argument "x"'),
        (
            ("nonsense", "x"),
            'unknown kind "nonsense"\nhelp: the kinds are "project", "environment", "secret", "store", "chart"',
        ),
    ],
)
def test_what_exists_or_has_no_form_is_refused(
    run: RunCommand, project: Path, arguments: tuple[str, ...], reason: str
) -> None:
    before = _all_files(project)
    done = run("new", *arguments)
    assert (done.code, done.out) == (2, "")
    assert reason in done.err
    assert _all_files(project) == before


def test_a_name_that_is_none_is_refused_before_a_project_is_looked_for(
    run: RunCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for kind in ("environment", "secret", "store"):
        assert run("new", kind, "Not a name").err.startswith(f"error: the {kind}'s name is invalid\n")


def test_a_secret_is_added_and_every_byte_kept(run: RunCommand, project: Path) -> None:
    before = _all_files(project)
    old = before.pop("environments/catalogue.yaml")
    done = run("new", "secret", "grafana", "--key", "GRAFANA_TOKEN", "--key", "GRAFANA_URL")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        "environments/catalogue.yaml: written",
        'no environment lists "grafana" yet',
        "next: write `grafana: {}` under `secrets:` of environments/base.yaml, or of one environment",
    ]
    after = _all_files(project)
    new = after.pop("environments/catalogue.yaml")
    assert after == before
    head, tail = old.split(b"\n# Default names for `platform-secrets new secret`")
    assert (new.startswith(head), new.endswith(tail)) == (True, True)
    added = new.removeprefix(head).removesuffix(tail).decode()
    assert "description" not in added
    for line in (
        "target: agent-grafana-secrets",
        "vault: ai-platform-engineering/grafana-secret",
        "azurekv: ai-platform-engineering-grafana",
        "GRAFANA_TOKEN: {}",
        "GRAFANA_URL: {}",
    ):
        assert f"  {line}\n" in added


def test_a_secret_is_listed_at_once(run: RunCommand, project: Path) -> None:
    old = (project / "environments/staging.yaml").read_text("utf-8")
    done = run("new", "secret", "grafana", "--key", "GRAFANA_TOKEN", "--into", "staging", "--description", "Dashboards")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        "environments/catalogue.yaml: written",
        "environments/staging.yaml: written",
        "next: platform-secrets compile && platform-secrets put staging grafana",
    ]
    assert (project / "environments/staging.yaml").read_text("utf-8") == f"{old}  grafana: {{}}\n"
    assert run("compile", "staging").out == "chart/values-staging.yaml: written, 8 secrets, 22 keys\n"


def test_a_secret_is_listed_in_a_namespace_of_its_own(run: RunCommand, project: Path) -> None:
    done = run("new", "secret", "portal", "--key", "NEXTAUTH_SECRET", "--namespace", "portal")
    assert done.out.splitlines()[-1] == (
        "next: write `portal: {namespace: portal}` under `secrets:` of environments/base.yaml, or of one environment"
    )
    assert run("new", "secret", "blog", "--key", "K", "--namespace", "blog", "--into", "staging").code == 0
    assert "  blog: {namespace: blog}\n" in (project / "environments/staging.yaml").read_text("utf-8")


def test_a_file_that_lists_the_secret_already_is_named(run: RunCommand, project: Path) -> None:
    with (project / "environments/staging.yaml").open("a", encoding="utf-8") as file:
        file.write("  grafana: {}\n")
    done = run("new", "secret", "grafana", "--key", "K", "--into", "staging")
    assert done.out.splitlines()[1] == "environments/staging.yaml: lists grafana already"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), 'the new secret "pay" needs its keys\nhelp: name each with --key, such as --key DB_PASSWORD; '),
        (
            ("--key", "PAY_TOKEN=hunter22secret"),
            "it is exposed; values go into the store: `platform-secrets put ENV pay PAY_TOKEN` asks for one",
        ),
        (("--key", "aHVudGVyMjJzZWNyZXQ="), "values go into the store: `platform-secrets put ENV pay` asks for one"),
        (("--key", "=hunter22secret"), "values go into the store: `platform-secrets put ENV pay` asks for one"),
        (("--key", "A", "--key", "A"), 'the key "A" is given twice'),
        (("--key", "A\x07B"), "would not be readable: escaped control characters are not allowed in keys"),
        (
            ("--key", "A", "--into", "stagin"),
            'there is no environment or layer "stagin"\nhelp: did you mean "staging"?',
        ),
    ],
)
def test_a_secret_is_asked_for_as_it_can_be_made(
    run: RunCommand, project: Path, arguments: tuple[str, ...], said: str
) -> None:
    before = _all_files(project)
    done = run("new", "secret", "pay", *arguments)
    assert (done.code, done.out, _all_files(project)) == (2, "", before)
    assert said in done.err
    assert ".yaml:" not in done.err
    assert "hunter22" not in done.err
    assert "aHVudGVy" not in done.err


def test_a_secret_that_a_rule_refuses_is_not_written(run: RunCommand, project: Path) -> None:
    before = _all_files(project)
    done = run("new", "secret", "grafana", "--azurekv", "a_b", "--key", "A B")
    assert (done.code, done.out) == (1, "")
    assert "--azurekv:1:1: error[invalid-key-vault-name]" in done.err
    assert "--key:1:1: error[invalid-kubernetes-name]" in done.err
    assert ".yaml:" not in done.err
    assert done.err.endswith("nothing was written\n")
    assert _all_files(project) == before


@pytest.mark.parametrize("text", ["tarket:", "{nam}"])
def test_a_damaged_catalogue_is_left_alone(run: RunCommand, project: Path, edit: EditFile, text: str) -> None:
    edit("environments/catalogue.yaml", {"tarket:": "target:", "{nam}": "{secret}"}[text], text)
    before = _all_files(project)
    done = run("new", "secret", "grafana", "--key", "K")
    assert (done.code, "error[" in done.err, "environments/catalogue.yaml:" in done.err) == (2, True, True)
    assert done.err.endswith("help: correct them first; nothing was written\n")
    assert _all_files(project) == before


def test_a_catalogue_in_braces_is_left_alone(run: RunCommand, project: Path) -> None:
    (project / "environments/catalogue.yaml").write_text("secrets: {}\n", "utf-8")
    done = run("new", "secret", "grafana", "--key", "K", "--target", "t", "--vault", "v")
    assert (done.code, "help: remove the line" in done.err) == (2, True)


def test_a_change_of_the_naming_renames_nothing(run: RunCommand, project: Path, edit: EditFile) -> None:
    assert run("compile").code == 0
    edit("environments/catalogue.yaml", "agent-{secret}-secrets", "other-{secret}")
    assert run("compile", "--check").code == 0


def test_a_project_compiles_at_once(run: RunCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "Web Shop"
    done = run("new", "project", folder)
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[-2:] == [
        'the platform is "web-shop", its namespace "web-shop"',
        f"next: cd '{folder}' && platform-secrets new secret NAME --key KEY --into base",
    ]
    monkeypatch.chdir(folder)
    done = run("compile", "--strict")
    assert (done.code, done.out, done.err) == (0, "chart/values-dev.yaml: written, 0 secrets, 0 keys\n", "")
    assert run("new", "secret", "db", "--key", "DB_PASSWORD", "--into", "base").code == 0
    assert run("compile", "--strict").out == (
        "chart/values-dev.yaml: written, 1 secret, 1 key\n  added web-shop/web-shop-db with DB_PASSWORD\n"
    )
    assert 'remoteKey: "web-shop/db"' in (folder / "chart/values-dev.yaml").read_text("utf-8")


def test_a_project_inside_another_is_warned_of(run: RunCommand, project: Path) -> None:
    done = run("new", "project", project / "shop")
    assert done.code == 0
    assert f'warning: this project is inside the project in "{project}", and shares nothing with it\n' in done.err
    assert (
        "help: for one more environment there, run `platform-secrets new environment NAME` in that folder" in done.err
    )
    assert "warning" not in run("new", "project", project.parent / "beside").err


@pytest.mark.parametrize("folder", ["environments", "environments/shop"])
def test_no_project_is_made_in_the_environments_of_another(run: RunCommand, project: Path, folder: str) -> None:
    before = sorted(project.rglob("*"))
    done = run("new", "project", folder)
    assert (done.code, done.out, sorted(project.rglob("*"))) == (2, "", before)
    assert done.err == (
        f'error: "{project}/environments" belongs to the project in the folder above it\n'
        f"help: name another folder; `platform-secrets --root {project} new environment NAME` makes one more "
        "environment there\n"
    )
    assert run("--root", project, "new", "environment", "shop").code == 0
    # A folder of that name that is no project's.
    assert run("new", "project", project.parent / "environments").code == 0


def test_a_project_here_is_not_to_be_entered(run: RunCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "README.md").write_text("mine\n", "utf-8")
    monkeypatch.chdir(tmp_path)
    done = run("new", "project", ".", "--name", "shop")
    assert (done.code, done.out.splitlines()[-1]) == (
        0,
        "next: platform-secrets new secret NAME --key KEY --into base",
    )
    assert "README.md: kept as it is\n" in done.out
    assert (tmp_path / "README.md").read_text("utf-8") == "mine\n"


def test_a_project_is_what_it_is_told(run: RunCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    url = "https://shop-dev.vault.azure.net"
    done = run("new", "project", "--name", "shop", "--namespace", "web", "--store", "azurekv", "--vault-url", url)
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[-2:] == [
        'the platform is "shop", its namespace "web"',
        "next: platform-secrets new secret NAME --key KEY --into base",
    ]
    assert run("new", "secret", "db", "--key", "K", "--into", "dev").code == 0
    assert run("compile", "--strict").code == 0
    values = (tmp_path / "chart/values-dev.yaml").read_text("utf-8")
    assert 'remoteKey: "web-db"' in values
    assert '"shop-db"' in values


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("--name", "My Shop"), 2, "the project's name is invalid"),
        (("--store", "azure"), 2, '"azure" is not a provider of stores\nhelp: did you mean "azurekv"?'),
        (("--namespace", "My_Shop"), 1, "--namespace:1:1: error[invalid-kubernetes-name]"),
        (("--server", "vault"), 1, "--server:1:1: error[invalid-address]"),
        (("--extends", "x"), 2, 'unknown option "--extends"'),
        (("--key", "x"), 2, 'unknown option "--key"'),
    ],
)
def test_a_project_that_is_told_something_wrong_is_not_made(
    run: RunCommand, tmp_path: Path, options: tuple[str, ...], code: int, said: str
) -> None:
    done = run("new", "project", tmp_path / "shop", *options)
    assert (done.code, done.out) == (code, "")
    assert said in done.err
    assert not (tmp_path / "shop").exists() or not list((tmp_path / "shop").iterdir())


def test_an_environment_has_its_store_and_its_address(run: RunCommand, project: Path) -> None:
    url = "https://ai-platform-qa.vault.azure.net"
    done = run("new", "environment", "qa", "--store", "azure", "--vault-url", url)
    assert (done.code, done.err) == (0, "")
    assert done.out.endswith("\nnext: add whatever else differs, then run platform-secrets compile qa\n")
    assert (
        (project / "environments/qa.yaml")
        .read_text("utf-8")
        .endswith(f"\nstore: azure\nstores:\n  azure:\n    vaultUrl: {url}\n")
    )
    assert run("compile", "qa").code == 0
    done = run("new", "environment", "qc", "--store", "azure")
    assert done.out.endswith(
        "\nnext: add the vaultUrl of its store and whatever else differs, then run platform-secrets compile qc\n"
    )
    assert run("new", "environment", "qb", "--server", "https://vault.example.com").code == 0
    assert "    server: https://vault.example.com\n" in (project / "environments/qb.yaml").read_text("utf-8")


def test_an_address_that_no_store_can_have_is_not_written(run: RunCommand, project: Path) -> None:
    before = _all_files(project)
    done = run("new", "environment", "qa", "--vault-url", "https://u:hunter22@x.vault.azure.net")
    assert (done.code, done.out, _all_files(project)) == (1, "", before)
    assert "--vault-url:1:1: error[invalid-address]" in done.err
    assert "hunter22" not in done.err


def test_a_project_has_its_chart_and_keeps_a_repositorys_own_ignore_file(
    run: RunCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "fresh"
    (folder / ".git").mkdir(parents=True)
    (folder / ".gitignore").write_text("mine\n", "utf-8")
    done = run("new", "project", folder)
    assert (done.code, done.err) == (0, "")
    assert ".gitignore: written" not in done.out
    assert ".gitignore: kept as it is; add /.platform-secrets/, *audit*.jsonl, *.age, " in done.out
    assert (folder / ".gitignore").read_text("utf-8") == "mine\n"
    assert (folder / "chart/Chart.yaml").read_bytes() == (ROOT / "chart/Chart.yaml").read_bytes()


def test_a_store_is_written_and_the_note_of_it_ends(run: RunCommand, project: Path) -> None:
    assert "this project does not make" in run("compile").err
    done = run("new", "store", "vault", "--auth", "kubernetes", "--role", "shop")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        "environments/base.yaml: written",
        "next: compare `auth` in environments/base.yaml with your cluster, then run platform-secrets compile",
    ]
    assert "        role: shop\n" in (project / "environments/base.yaml").read_text("utf-8")
    assert run("compile", "dev").code == 0
    assert "clusterSecretStores:" in (project / "chart/values-dev.yaml").read_text("utf-8")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            (),
            "the store needs --auth\nhelp: say how the operator logs in: to vault by kubernetes, jwt, appRole, token",
        ),
        (("--auth", "token", "--into", "dev", "--into", "prod"), "a store goes into one file"),
        (("--auth", "token", "--key", "K"), 'unknown option "--key"'),
    ],
)
def test_a_store_that_is_not_said_is_not_written(
    run: RunCommand, project: Path, words: tuple[str, ...], said: str
) -> None:
    before = _all_files(project)
    done = run("new", "store", "vault", *words)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert _all_files(project) == before


def test_the_chart_is_added_to_a_project_without_one_and_never_replaced(run: RunCommand, project: Path) -> None:
    before = _all_files(project)
    done = run("new", "chart")
    assert (done.code, done.out) == (2, "")
    assert "error: chart/.helmignore already exists\nhelp: `platform-secrets new chart --upgrade` compares" in done.err
    assert _all_files(project) == before
    (project / "chart").rename(project / "elsewhere")
    done = run("new", "chart")
    assert (done.code, done.out.splitlines()[-1]) == (0, "next: platform-secrets render ENV")
    assert _all_files(project / "chart") == _all_files(project / "elsewhere")


def test_a_folder_for_the_chart_that_cannot_be_made(run: RunCommand, project: Path) -> None:
    (project / "chart").rename(project / "elsewhere")
    (project / "chart").write_text("", "utf-8")
    done = run("new", "chart")
    assert (done.code, "error: chart cannot be created: file exists" in done.err) == (3, True)


def test_a_project_in_a_folder_that_cannot_be_made(run: RunCommand, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    assert run("new", "project", tmp_path / "file").code == 3


def test_an_environment_that_cannot_be_written(run: RunCommand, project: Path) -> None:
    # A link to nowhere is something that exists, and no file may be made through it.
    (project / "environments/qa.yaml").symlink_to("/nowhere/at/all")
    assert run("new", "environment", "qa").code == 2


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("new_environment", "nothing was written"),
        ("write_new", "writing is all-or-nothing"),
        ("standard_output", "the files were written"),
    ],
)
def test_an_interrupt_says_what_was_written(
    run: RunCommand, project: Path, monkeypatch: pytest.MonkeyPatch, where: str, said: str
) -> None:
    assert project

    def interrupt(*_given: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(f"compiler.cli.commands.new.{where}", interrupt)
    done = run("new", "environment", "qa")
    assert (done.code, done.err) == (130, f"interrupted; {said}\n")


@pytest.mark.parametrize(
    "word", ["TOKEN", "TOKEN=hunter22secret", "=jira/TOKEN", "TOKEN=jira/", "TOKEN=Jira/T", "TOKEN=a/b/c"]
)
def test_what_may_be_a_value_in_place_of_another_key_is_not_shown(project: Path, run: RunCommand, word: str) -> None:
    before = (project / "environments/catalogue.yaml").read_text("utf-8")
    done = run("new", "secret", "ui", "--from", word)
    assert (done.code, "--from is not of the form KEY=SECRET/KEY" in done.err) == (2, True)
    assert "hunter22" not in done.out + done.err
    assert (project / "environments/catalogue.yaml").read_text("utf-8") == before


def test_a_key_with_another_keys_value_is_written_and_given_once(project: Path, run: RunCommand) -> None:
    twice = ("--from", "TOKEN=jira/ATLASSIAN_TOKEN") * 2
    assert 'the key "TOKEN" is given twice' in run("new", "secret", "ui", *twice).err
    assert 'the key "TOKEN" is given twice' in run("new", "secret", "ui", *twice[:2], "--key", "TOKEN").err
    done = run("new", "secret", "ui", *twice[:2], "--target", "ui", "--into", "staging")
    assert done.code == 0, done
    assert "TOKEN: {from: jira/ATLASSIAN_TOKEN}" in (project / "environments/catalogue.yaml").read_text("utf-8")


@pytest.mark.parametrize(
    ("words", "type_", "made", "fetched"),
    [
        (
            ("--type", "dockerconfigjson", "--server", "ghcr.io"),
            "kubernetes.io/dockerconfigjson",
            (".dockerconfigjson",),
            ("username", "password"),
        ),
        (("--type", "kubernetes.io/tls"), "kubernetes.io/tls", ("tls.crt", "tls.key"), ("certificate", "private_key")),
        (("--type", "basic-auth"), "kubernetes.io/basic-auth", ("username", "password"), ("username", "password")),
        (("--type", "ssh-auth"), "kubernetes.io/ssh-auth", ("ssh-privatekey",), ("ssh-privatekey",)),
    ],
)
def test_a_typed_secret_has_its_keys_and_compiles_at_once(
    project: Path, run: RunCommand, words: tuple[str, ...], type_: str, made: tuple[str, ...], fetched: tuple[str, ...]
) -> None:
    done = run("new", "secret", "typed", *words, "--into", "base")
    assert (done.code, done.err) == (0, "")
    assert "warning" not in run("compile").err
    secret = environment_of(project).secrets["typed"]
    assert (secret.entry.type, secret.target_keys) == (type_, made)
    assert tuple(item.key.name for item in secret.keys) == fetched


def test_a_pull_secret_is_docker_s_own_configuration(project: Path, run: RunCommand) -> None:
    assert (
        run("new", "secret", "pull", "--type", "dockerconfigjson", "--server", "https://index.docker.io/v1/").code == 0
    )
    catalogue = catalogue_of(Library(project).catalogue() or pytest.fail("no catalogue"))
    text = catalogue.entries["pull"].template[".dockerconfigjson"]
    filled = text.replace("{{ .username | toJson }}", '"u"').replace("{{ .password | toJson }}", '"p"')
    filled = filled.replace('{{ printf "%s:%s" .username .password | b64enc | toJson }}', '"dTpw"')
    log_in = {"username": "u", "password": "p", "auth": "dTpw"}
    assert json.loads(filled) == {"auths": {"https://index.docker.io/v1/": log_in}}


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--type", "tsl"), '--type knows no "tsl"\nhelp: did you mean "tls"?; for another type write `type` by hand'),
        (("--type", "tls", "--server", "ghcr.io"), "a Secret of the type kubernetes.io/tls has no server"),
        (("--server", "ghcr.io"), "--server needs --type dockerconfigjson"),
        (("--type", "dockerconfigjson"), "the pull Secret needs its registry"),
        (("--type", "dockerconfigjson", "--server", 'a"b'), "--server is not the name of a registry"),
        (("--type", "tls", "--key", "KEY"), "a Secret of the type kubernetes.io/tls has its own keys"),
        (("--type", "tls", "--from", "key=github/TOKEN"), 'a Secret of the type kubernetes.io/tls has no key "key"'),
    ],
)
def test_a_typed_secret_is_asked_for_as_it_can_be_made(
    project: Path, run: RunCommand, words: tuple[str, ...], reason: str
) -> None:
    before = _all_files(project)
    done = run("new", "secret", "typed", *words)
    assert (done.code, done.err.startswith(f"error: {reason}")) == (2, True)
    assert _all_files(project) == before


def test_a_typed_secret_may_take_a_value_of_another(project: Path, run: RunCommand) -> None:
    taken = "password=github/GITHUB_PERSONAL_ACCESS_TOKEN"
    words = ("--type", "dockerconfigjson", "--server", "ghcr.io", "--from", taken, "--into", "base")
    assert run("new", "secret", "pull", *words).code == 0
    catalogue = catalogue_of(Library(project).catalogue() or pytest.fail("no catalogue"))
    keys = catalogue.entries["pull"].keys
    assert {name: key.source for name, key in keys.items()} == {
        "username": None,
        "password": ("github", "GITHUB_PERSONAL_ACCESS_TOKEN"),
    }
