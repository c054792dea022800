"""Lists the sub-commands, a file each: the name, the module and the line in the help."""

# name: the module of this package, and its line in the help. Static, so that the help imports no command.
COMMANDS = {
    "compile": ("compile", "validate environments and write their values files"),
    "explain": ("explain", "show where each value of an environment comes from"),
    "diff": ("diff", "compare environments, stores or files"),
    "render": ("render", "print an environment's manifests as Helm renders them"),
    "verify": ("verify", "check in the live stores that the cluster can read every key"),
    "consumers": ("consumers", "show which Secrets pods read, and what is missing or unread"),
    "generate": ("generate", "generate Argo CD manifests and CAIPE values from environments"),
    "rules": ("rules", "list all rules, or show one rule's page"),
    "new": ("new", "create a project, an environment, a secret or the chart"),
    "put": ("put", "set keys of a secret in its store, from prompts, a pipe or a file"),
    "rotate": ("rotate", "replace a credential, and follow it until the old one is revoked"),
    "migrate": ("migrate", "copy secrets to another store, verified and resumable"),
    "cutover": ("cutover", "switch secrets to another store, after a gate, and back"),
    "status": ("status", "show where each secret is, and whether it is in effect"),
    "retire": ("retire", "delete from a store what nobody reads there any longer"),
    "backup": ("backup", "save an environment's secrets to an encrypted file"),
    "restore": ("restore", "write a backup's values to the same store or another"),
    "completion": ("completion", "print a shell's completion script"),
}
