"""Lists the sub-commands, a file each: the name, the module and the line in the help, by the groups of the help."""

# group: name: the module of this package, and its line in the help. Static, so that the help imports no command.
GROUPS = {
    "build": {
        "new": ("new", "create a project, an environment, a secret or the chart"),
        "import": ("imports", "turn ExternalSecrets and other tools' files into an environment"),
        "compile": ("compile", "validate environments and write their values files"),
        "render": ("render", "print an environment's manifests as Helm renders them"),
        "generate": ("generate", "generate files for Argo CD, for CAIPE's chart and for the stores"),
    },
    "live stores": {
        "put": ("put", "set keys of secrets in their store, from prompts, a pipe or a file"),
        "verify": ("verify", "check in the live stores that the cluster can read every key"),
        "status": ("status", "show where each secret is, and whether it is in effect"),
        "rotate": ("rotate", "replace a credential, and follow it until the old one is revoked"),
    },
    "move": {
        "migrate": ("migrate", "copy secrets to another store, verified"),
        "cutover": ("cutover", "switch secrets to another store after checks, and back"),
        "retire": ("retire", "delete from a store what nobody reads there any longer"),
    },
    "recover": {
        "runs": ("runs", "list what wrote to stores: who, when, the outcome, how to undo it"),
        "backup": ("backup", "save an environment's secrets to an encrypted file"),
        "restore": ("restore", "write a backup's values to the same store or another"),
    },
    "look": {
        "report": ("report", "show secrets by environment, as a page or for a pull request"),
        "explain": ("explain", "show where each value of an environment comes from"),
        "diff": ("diff", "compare environments, stores or files"),
        "consumers": ("consumers", "show which Secrets pods read, and what is missing or unread"),
    },
    "tools": {
        "demo": ("demo", "run the whole workflow on this machine, with two local stores"),
        "rules": ("rules", "list all rules, or show one rule's page"),
        "completion": ("completion", "print a shell's completion script"),
    },
}
COMMANDS = {name: command for group in GROUPS.values() for name, command in group.items()}
# What people type, and the word that is meant.
ALIASES = {
    "switch": "cutover",
    "copy": "migrate",
    "delete": "retire",
    "rollback": "runs",
    "undo": "runs",
    "list": "report",
    "login": "verify",
    "init": "new",
    "help": "--help",
    "version": "--version",
}
# The seven commands that a newcomer needs, in the order of use, each with what it is for.
FIRST_STEPS = {
    "demo": "see the workflow on this machine",
    "new project shop": "create a project in shop/",
    "compile": "check it, write its values files",
    "put ENV SECRET": "store the values of a secret",
    "verify ENV": "check that all keys can be read",
    "migrate ENV --to STORE": "copy the secrets to another store",
    "cutover ENV all --to STORE": "switch to it, after checks",
}
# Whatever the symptom is.
INCIDENT = {"status ENV --cluster": "say what is wrong, and what to do"}
