"""Lists the sub-commands: the name of each, its module in compiler.cli.commands, and its line in the help."""

PROGRAM = "platform-secrets"

# name: the module of compiler.cli.commands, and its line in the help. Static, so that the help imports no command.
COMMANDS = {
    "compile": ("compile", "prove environments and write their values files"),
    "explain": ("explain", "tell where each value of an environment comes from"),
    "diff": ("diff", "compare environments, stores or files by meaning"),
    "render": ("render", "print an environment's manifests, through Helm"),
    "verify": ("verify", "ask the live stores what the cluster will ask them, and say what fails"),
    "rules": ("rules", "list every rule, or show one rule's page"),
    "new": ("new", "start a project, an environment, a secret or the chart"),
    "put": ("put", "set keys of one secret in its store, from prompts, a pipe or a file"),
    "migrate": ("migrate", "copy secrets into another store, verified and resumable"),
    "backup": ("backup", "write what an environment's stores hold to an encrypted file"),
    "restore": ("restore", "put a backup's values back, into the same store or another"),
    "completion": ("completion", "print the completion script of a shell"),
}
