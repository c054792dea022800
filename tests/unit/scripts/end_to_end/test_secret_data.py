from pathlib import Path

import pytest

from compiler.cluster.view import ClusterError
from scripts.end_to_end.secret_data import SecretData, encoded
from tests.cluster_double import ClusterDouble


def test_the_data_of_a_secret_is_read_as_the_api_has_it(tmp_path: Path) -> None:
    with ClusterDouble() as double:
        data = SecretData({"KUBECONFIG": str(double.kubeconfig(tmp_path)), "HOME": str(tmp_path)})
        double.data["team", "jira"] = {"A": "one"}
        assert data.data_of("team", "jira") == encoded({"A": "one"}) == {"A": "b25l"}
        double.refused["get secrets"] = 404
        assert data.data_of("team", "none") is None
        double.refused["get secrets"] = 403
        with pytest.raises(ClusterError, match="you are not allowed to get secrets"):
            data.data_of("team", "jira")
