from collections.abc import Iterator
from itertools import combinations

import pytest

# Words of the field, short ones too: names are made of these.
WORDS = (
    "ai agent agents aks api app argocd atlassian aws azure backstage backup base bedrock bot caipe cert "
    "client cluster confluence core data dev eastus engineering eu external github gitlab global ingress "
    "int internal jira k8s key komodor kubernetes kv langfuse llm mcp mongodb namespace neu netutils "
    "nonprod openai operator pagerduty platform pool postgres prod production qa rg secret secrets server "
    "service shared slack splunk stage staging store sub svc team tenant test token ui user vault "
    "victorops vmss vnet webex webhook west weu workload xk "
)
# What hostile text is made of: beginnings of forms that never come to their end.
BEGINNINGS = (
    "eyJ xoxb- sk- sk-proj- SG. ://a:b :// = == password= secret: 0Q~a Q~ -----BEGIN AKIA hvs. s. aA1 "
    "a8a8- 8c9f03a8- _- é xoxe. github_pat_ hooks.slack.com/services/ "
)


@pytest.fixture(scope="session")
def words() -> list[str]:
    return WORDS.split()


@pytest.fixture
def hostile_texts() -> Iterator[str]:
    """Every beginning and every pair of them, over and over: long enough for quadratic time to be seen."""
    size = 10_000
    beginnings = BEGINNINGS.split()
    units = [*beginnings, "\nab", ' "', *("".join(pair) for pair in combinations(beginnings, 2))]
    return ((unit * (size // len(unit) + 1))[:size] for unit in units)
