from contextvars import copy_context

from compiler.text.command_line import command_line, name_project, shell_line


def test_a_line_names_the_program_and_its_words() -> None:
    assert command_line("compile", "prod") == "platform-secrets compile prod"


def test_it_names_the_projects_folder_where_the_command_was_given_one() -> None:
    def named(root: str | None) -> str:
        name_project(root)
        return command_line("explain", "prod", "a b")

    assert copy_context().run(named, "my project") == "platform-secrets --root 'my project' explain prod 'a b'"
    assert copy_context().run(named, None) == "platform-secrets explain prod 'a b'"


def test_a_line_of_another_program_is_quoted() -> None:
    line = shell_line("bao", "kv", "enable-versioning", "a;touch${IFS}pwn")
    assert line == "bao kv enable-versioning 'a;touch${IFS}pwn'"
    assert shell_line("az", "login", "--tenant", "…") == "az login --tenant …"
