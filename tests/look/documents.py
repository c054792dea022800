"""Documents that the page is drawn from: a realistic one, a hostile one and a large one."""

import json
from typing import Any

GENERATED = "2026-11-28T16:50:00Z"
STORES = {
    "vault": {"letter": "V", "provider": "Vault", "address": "https://vault.example.com:8200"},
    "azure": {"letter": "A", "provider": "Key Vault", "address": "https://agents.vault.azure.net"},
}
HOSTILE = "</script><img src=x onerror=window.ran=1>\u202egnp.\u2066<!--"
LONG = "n" * 300

SECRETS = {
    "argocd": ("Log-in of Argo CD to the repositories", ("ARGOCD_TOKEN",)),
    "backstage": ("The developer portal", ("BACKSTAGE_TOKEN", "POSTGRES_PASSWORD")),
    "confluence": ("", ("ATLASSIAN_EMAIL", "ATLASSIAN_TOKEN")),
    "github": ("GitHub App of the agents", ("GITHUB_APP_ID", "GITHUB_APP_PRIVATE_KEY", "GITHUB_WEBHOOK_SECRET")),
    "global": ("Model access of every agent", ("AZURE_OPENAI_API_KEY", "AZURE_OPENAI_ENDPOINT")),
    "jira": ("", ("ATLASSIAN_API_URL", "ATLASSIAN_EMAIL", "ATLASSIAN_TOKEN", "ATLASSIAN_VERIFY_SSL")),
    "komodor": ("", ("KOMODOR_TOKEN",)),
    "pagerduty": ("", ("PAGERDUTY_API_KEY",)),
    "slack": ("Bot of the platform", ("SLACK_BOT_TOKEN", "SLACK_SIGNING_SECRET")),
    "splunk": ("", ("SPLUNK_TOKEN",)),
    "webex": ("", ("WEBEX_TOKEN",)),
}
TEAMS = ("agents", "payments", "platform")


def cell(store: str, state: str = "present", **more: object) -> dict[str, Any]:
    return {"store": store, "state": state, "decidedBy": "environments/base.yaml:4:8", "layer": "base", **more}


def secret(name: str, environments: dict[str, dict[str, Any]], keys: tuple[str, ...], **more: object) -> dict[str, Any]:
    """A secret whose keys look as it does, in each of its environments."""
    owner = TEAMS[len(name) % len(TEAMS)]
    return {
        "id": name,
        "cells": {
            environment: {"target": f"agents/agent-{name}-secrets", **each}
            for environment, each in environments.items()
        },
        "keys": [
            {
                "key": key,
                "owner": owner,
                "issuer": "https://id.example.com/tokens",
                "cells": {
                    environment: {
                        **{part: value for part, value in each.items() if part not in ("next", "readers")},
                        "places": [
                            {
                                "store": store,
                                "remoteKey": f"agents/{name}" if store == "vault" else f"agents-{name}",
                                "property": key,
                                "inUse": store == each["store"],
                                "state": each["state"] if store == each["store"] else "present",
                            }
                            for store in STORES
                        ],
                    }
                    for environment, each in environments.items()
                },
            }
            for key in keys
        ],
        **more,
    }


def number_cells(document: dict[str, Any]) -> dict[str, Any]:
    """The document with each different cell once, in a list, and its number in its place."""
    numbers: dict[str, int] = {}
    for each in document["secrets"]:
        for place in (each, *each["keys"]):
            place["cells"] = {
                environment: numbers.setdefault(json.dumps(found), len(numbers))
                for environment, found in place["cells"].items()
            }
    return {**document, "cells": [json.loads(text) for text in numbers]}


def platform() -> dict[str, Any]:
    """Eleven secrets in four environments: two live, one on the move, one from its files alone."""
    return number_cells(_platform())


def _platform() -> dict[str, Any]:
    secrets = []
    for number, (name, (description, keys)) in enumerate(SECRETS.items()):
        age = 12 + 31 * number
        cells = {
            "dev": cell("vault", "not-asked"),
            "staging": cell("vault", age=age % 90, due=f"2027-0{1 + number % 8}-12"),
            "prod": cell("vault", age=age, due="2027-03-01", to="azure", readers=[f"Deployment agents/agent-{name}"]),
            "prod-eu": cell("azure", age=age % 50, due="2027-06-20", readers=[f"Deployment agents/agent-{name}"]),
        }
        secrets.append(secret(name, cells, keys, description=description))
    found = {each["id"]: each for each in secrets}
    own = {"layer": None, "decidedBy": "environments/prod.yaml:14:12"}

    def at(name: str, environment: str, **more: object) -> None:
        for each in (found[name], *found[name]["keys"]):
            each["cells"][environment].update(more)
            each["cells"][environment] = {key: value for key, value in each["cells"][environment].items() if value}

    for name in ("argocd", "backstage", "confluence", "global"):
        at(name, "prod", store="azure", to=None, **own)
    at("github", "prod", state="differs", overdue=True, due="2026-11-16", age=103)
    found["github"]["cells"]["prod"]["next"] = "platform-secrets migrate prod --only github"
    at("jira", "prod", state="missing", age=None, due=None)
    found["jira"]["cells"]["prod"]["first"] = "ask the owner for the token"
    found["jira"]["cells"]["prod"]["next"] = "platform-secrets put prod jira"
    at("komodor", "prod", state="deleted", age=None, due=None)
    at("pagerduty", "prod-eu", state="not-in-effect")
    at("slack", "prod-eu", state="no-access", age=None, due=None, overdue="not known")
    at("splunk", "prod-eu", state="faulty")
    at("webex", "staging", overdue=True, due="2026-11-02", age=398)
    at("backstage", "staging", due="2026-12-09")
    at("global", "dev", store="azure", differs=["store"], layer=None, decidedBy="environments/dev.yaml:7:12")
    found["global"]["differs"] = ["store"]
    del found["webex"]["cells"]["prod-eu"]
    for key in found["webex"]["keys"]:
        del key["cells"]["prod-eu"]
    steps = (("argocd", "backstage", "confluence", "global"), ("github", "jira"), tuple(SECRETS)[6:])
    return {
        "generated": GENERATED,
        "contains": ["names of secrets, keys and places", "addresses of stores", "owners"],
        "without": [],
        "environments": [
            {"name": "dev", "stores": STORES},
            {"name": "staging", "moment": "2026-11-28T16:12:00Z", "partial": True, "stores": STORES},
            {"name": "prod", "moment": "2026-11-28T16:41:00Z", "stores": STORES},
            {"name": "prod-eu", "moment": "2026-11-28T16:43:00Z", "stores": STORES},
        ],
        "secrets": secrets,
        "moves": [
            {
                "environment": "prod",
                "to": "azure",
                "next": 2,
                "steps": [
                    [
                        {
                            "secret": name,
                            "store": found[name]["cells"]["prod"]["store"],
                            "state": found[name]["cells"]["prod"]["state"],
                            "done": at == 0,
                        }
                        for name in step
                    ]
                    for at, step in enumerate(steps)
                ],
                "first": 'set the keys that "jira" lacks',
                "commands": [
                    "platform-secrets migrate prod --only github,jira",
                    "platform-secrets cutover prod --only github,jira",
                ],
            }
        ],
        "problems": [
            {
                "severity": "error",
                "environment": "prod",
                "secret": "jira",
                "key": "ATLASSIAN_TOKEN",
                "message": 'the remote secret "agents/jira" does not exist',
                "help": "write it with put, or name another place in the catalogue",
                "command": "platform-secrets put prod jira ATLASSIAN_TOKEN",
            },
            {
                "severity": "error",
                "environment": "prod",
                "secret": "komodor",
                "key": "KOMODOR_TOKEN",
                "message": "version 4 is deleted; it can be recovered until 2026-12-20",
                "command": "bao kv undelete -mount=secret -versions=4 agents/komodor",
            },
            {
                "severity": "error",
                "environment": "prod-eu",
                "secret": "pagerduty",
                "message": 'the pod "agents/agent-pagerduty-6d5f" is not ready (CrashLoopBackOff)',
                "command": "platform-secrets status prod-eu --only pagerduty --wait",
            },
            {
                "severity": "error",
                "environment": "prod-eu",
                "secret": "splunk",
                "key": "SPLUNK_TOKEN",
                "message": "the value is not a JSON object, so it has no property",
            },
            {
                "severity": "warning",
                "environment": "prod",
                "secret": "github",
                "key": "GITHUB_APP_PRIVATE_KEY",
                "message": '"vault" and "azure" hold different values; the one in "vault" is newer (2026-08-17)',
                "command": "platform-secrets migrate prod --only github",
            },
            {
                "severity": "warning",
                "environment": "prod-eu",
                "secret": "slack",
                "message": "Key Vault did not allow reading agents-slack (403)",
                "help": "give the caller the role Key Vault Secrets User on the vault",
            },
            {"severity": "warning", "environment": "staging", "message": 'the store "azure" was not asked: no address'},
        ],
    }


def hostile() -> dict[str, Any]:
    """Names, places, messages and addresses as somebody would write them who wants the page to run a script."""
    cells = {HOSTILE: cell("vault", layer=HOSTILE, due="2026-01-01", overdue=True, next=HOSTILE, readers=[HOSTILE])}
    document = {
        **_platform(),
        "contains": [HOSTILE],
        "environments": [
            {"name": HOSTILE, "stores": {"vault": {"letter": "V", "provider": HOSTILE, "address": HOSTILE}}}
        ],
        "secrets": [secret(name, cells, (HOSTILE, LONG), description=HOSTILE) for name in (HOSTILE, LONG, "__proto__")],
        "moves": [
            {
                "environment": HOSTILE,
                "to": HOSTILE,
                "next": 1,
                "steps": [[{"secret": name, "store": "vault", "state": "present"} for name in (HOSTILE, LONG)]],
                "first": HOSTILE,
                "commands": [LONG],
            }
        ],
        "problems": [
            {
                "severity": "error",
                "environment": HOSTILE,
                "secret": HOSTILE,
                "message": HOSTILE,
                "help": "</noscript>" + HOSTILE,
                "command": HOSTILE,
            }
        ],
    }
    issuers = ("javascript:alert(1)", "data:text/html,<script>alert(1)</script>", "https://id.example.com/a?b=<i>")
    for each, issuer in zip(document["secrets"], issuers, strict=True):
        for key in each["keys"]:
            key["issuer"] = issuer
    return number_cells(document)


def large(secrets: int = 200, environments: int = 100) -> dict[str, Any]:
    """As many cells as a large organisation has, most of them different."""
    names = [f"env-{number:03}" for number in range(environments)]
    states = ("present",) * 17 + ("missing", "differs", "no-access")

    def cells_of(row: int) -> dict[str, dict[str, Any]]:
        return {
            name: cell(
                "vault" if (row + column) % 3 else "azure",
                states[(row * 7 + column * 3) % len(states)],
                age=(row * column) % 365,
                due=f"2027-{1 + row % 12:02}-{1 + column % 28:02}",
            )
            for column, name in enumerate(names)
        }

    document = {
        **_platform(),
        "environments": [{"name": name, "moment": GENERATED, "stores": STORES} for name in names],
        "secrets": [secret(f"service-{row:03}", cells_of(row), ("TOKEN", "URL")) for row in range(secrets)],
        "moves": [],
        "problems": [],
    }
    return number_cells(document)
