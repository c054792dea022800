from tests.faulty_gateway import FaultyGateway, GatewayFault, ReceivedRequest
from tests.faulty_key_vault import Fault, FaultKind
from tests.proofs.conftest import World, only_in_proofs

MANY = 30


def declare(world: World, count: int) -> dict[str, str]:
    """Give the entry `jira` so many keys, each in a remote secret of its own on both sides, and return their values."""
    keys = "".join(
        f"      K{n}: {{description: d, remote: {{azurekv: {{name: k{n}}}, vault: {{name: many/k{n}}}}}}}\n"
        for n in range(count)
    )
    catalogue = world.root / "environments/catalogue.yaml"
    catalogue.write_text(catalogue.read_text("utf-8") + keys, "utf-8")
    return {f"K{number}": f"value {number} é" for number in range(count)}


def spread(world: World, count: int) -> dict[str, str]:
    """The same, with the values in Vault."""
    values = declare(world, count)
    world.fill()
    for number, (key, value) in enumerate(values.items()):
        world.put(f"many/k{number}", {key: value})
    return values


@only_in_proofs
def test_resets_errors_and_lost_replies_end_with_all_verified_and_no_duplicate(world: World) -> None:
    values = spread(world, MANY)
    # Of few writes, chance might spare the reply of each.
    world.azure.add_fault(Fault(FaultKind.RESET_REPLY, method="PUT", times=2, after=MANY // 3))
    for kind in (FaultKind.RESET, FaultKind.RESET_REPLY):
        world.azure.add_fault(Fault(kind, times=None, rate=0.025))
    for status in (500, 503):
        world.azure.add_fault(Fault(FaultKind.STATUS, times=None, rate=0.025, status=status))
    done = world.migrate("--apply")
    assert done.code == 0, done.out[-2000:] + done.err
    stormy = len(world.azure.requests())
    world.azure.clear_faults()
    for number, (key, value) in enumerate(values.items()):
        assert world.azure_object(f"k{number}") == {key: value}
        assert len(world.azure.versions(f"k{number}")) == 1
    world.azure.forget_requests()
    assert world.migrate("--apply").code == 0
    assert not any(request.writes for request in world.azure.requests())

    # The same once more into an empty vault under a clear sky is the ideal.
    world.azure.state._secrets.clear()
    world.azure.forget_requests()
    assert world.migrate("--apply").code == 0
    assert stormy <= 1.3 * len(world.azure.requests())


@only_in_proofs
def test_and_back_through_a_network_that_fails(world: World) -> None:
    values = spread(world, 20)
    assert world.migrate("--apply").code == 0
    for number in range(20):
        world.bao.call("DELETE", f"{world.mount}/metadata/many/k{number}")
    turn = 0

    def weather(seen: ReceivedRequest) -> GatewayFault | None:
        nonlocal turn
        turn += 1
        is_write = seen.method in {"POST", "PUT"}
        faults = {
            3: GatewayFault(drop_before=True),
            11: GatewayFault(drop_after=is_write),
            17: GatewayFault(status=503),
        }
        return faults.get(turn % 37)

    with FaultyGateway(world.bao.url, weather) as gateway:
        world.variables["VAULT_ADDR"] = gateway.url
        done = world.migrate("--from", "azure", "--apply", to="vault")
    assert done.code == 0, done.out[-2000:] + done.err
    for number, (key, value) in enumerate(values.items()):
        assert world.get(f"many/k{number}") == {key: value}
        assert world.vault_versions(f"many/k{number}") == 1


def test_a_permission_that_is_gone_in_the_middle_is_resumable_and_leaves_no_half_item(world: World) -> None:
    spread(world, 12)
    world.azure.add_fault(Fault(FaultKind.FORBID, method="PUT", times=None, after=5))
    done = world.migrate("--apply")
    assert done.code == 4
    assert "incomplete; run the same command again to continue" in done.out
    stored = world.azure_versions()
    assert 0 < len(stored) < 14
    world.azure.clear_faults()
    assert world.migrate("--apply").code == 0
    assert len(world.azure_versions()) == 14
    assert all(len(versions) == 1 for versions in world.azure_versions().values())
    assert len(world.journals()) == 1


def test_a_vault_sealed_in_the_middle_ends_the_read_and_writes_nothing(world: World) -> None:
    world.fill()
    body = b'{"errors": ["Vault is sealed"]}'

    with FaultyGateway(world.bao.url, lambda _: GatewayFault(status=503, body=body)) as gateway:
        world.variables["VAULT_ADDR"] = gateway.url
        world.monkeypatch.setattr(
            "compiler.stores.pacing.RetryPolicy.__init__.__defaults__", (0.1, 0.01, 0.01, 0.1, 0.1, 0.1)
        )
        done = world.migrate("--apply")
    assert done.code == 3
    assert "sealed" in done.err
    assert world.azure_versions() == {}
