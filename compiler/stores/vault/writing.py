"""Writes secrets to Vault: every write is a compare-and-set, and a lost reply is settled by reading back."""

from collections.abc import Collection, Mapping

from compiler.stores.errors import (
    Action,
    ConflictError,
    NotFoundError,
    OutcomeUnknownError,
    SoftDeletedError,
    StoreError,
    UnfinishedWriteError,
    UnverifiedError,
)
from compiler.stores.interface import Attributes, Problem, RemoteSecret, StoreState, Use, Written
from compiler.stores.sending.deadline import one_operation
from compiler.stores.values.secret import Comparer, SecretValue
from compiler.stores.vault.checks import error_of_problem, problems_of_tags, problems_of_whole, problems_of_write
from compiler.stores.vault.document import made_of
from compiler.stores.vault.lifecycle import VaultLifecycle
from compiler.stores.vault.questions import Request
from compiler.text.command_line import shell_line


class VaultWriting(VaultLifecycle):
    """The SecretWriter half of VaultStore."""

    def expect(self, uses: Mapping[str, Collection[Use]]) -> None:
        self._connection.expect(uses)

    @one_operation
    def check_access(self, uses: Mapping[str, Collection[Use]]) -> tuple[Problem, ...] | None:
        return self._connection.check_access(uses)

    def check(
        self,
        name: str,
        changes: Mapping[str, SecretValue],
        base: RemoteSecret | None,
        attributes: Attributes | None = None,
    ) -> tuple[Problem, ...]:
        return tuple(problems_of_write(name, changes, base, attributes))

    @one_operation
    def write(
        self,
        name: str,
        changes: Mapping[str, SecretValue],
        base: RemoteSecret | None,
        attributes: Attributes | None = None,
    ) -> Written:
        for problem in problems_of_write(name, changes, base, attributes):
            raise error_of_problem(problem, self._place(name))
        before = base.properties if base is not None else {}
        tags = base.attributes.tags if base is not None else {}
        return self._put_tagged(name, {**before, **changes}, base, attributes.tags if attributes is not None else tags)

    def check_whole(
        self, name: str, value: SecretValue, base: RemoteSecret | None, attributes: Attributes | None = None
    ) -> tuple[Problem, ...]:
        del value, base, attributes
        return tuple(problems_of_whole(name))

    def write_whole(
        self, name: str, value: SecretValue, base: RemoteSecret | None, attributes: Attributes | None = None
    ) -> Written:
        del value, base, attributes
        raise error_of_problem(next(problems_of_whole(name)), self._place(name))

    @one_operation
    def restore(self, earlier: RemoteSecret, base: RemoteSecret) -> Written:
        return self._put_tagged(earlier.name, earlier.properties, base, earlier.attributes.tags)

    def _put_tagged(
        self, name: str, properties: Mapping[str, SecretValue], base: RemoteSecret | None, tags: Mapping[str, str]
    ) -> Written:
        if tags == (base.attributes.tags if base is not None else {}):
            return self._put(name, properties, base)
        request = self._request(Action.WRITE, name, "metadata", "update")
        # A request of its own, which can only come after: refused then, it would leave a secret without its tags that
        # every later comparison of keys finds complete.
        self._connection.require(request)
        if base is None:
            # A name may have metadata before its first version, or after its last: what its owners wrote there stays.
            tags = {**tags, **self.describe(name).attributes.tags}
            for problem in problems_of_tags(name, tags):
                raise error_of_problem(problem, self._place(name))
        written = self._put(name, properties, base)
        self._tag(request, tags, written)
        return written

    def _put(self, name: str, properties: Mapping[str, SecretValue], base: RemoteSecret | None) -> Written:
        version = int(base.version) if base is not None else 0
        try:
            return self._put_over(name, properties, version)
        except ConflictError:
            state = self.describe(name)
        if state.state is StoreState.SOFT_DELETED:
            reason = f"its version {state.version} is deleted"
            remedy = f"recover it (`{shell_line('bao', 'kv', 'undelete')}`), or plan again with `--recover`"
            raise SoftDeletedError(self._place(name), Action.WRITE, reason, remedy, state.version)
        if state.state is StoreState.DESTROYED and base is None and state.version is not None:
            # No version is left to be lost; only the numbering goes on.
            return self._put_over(name, properties, int(state.version))
        raise self._conflict(name, Action.WRITE, base.version if base is not None else None, state.version)

    def _put_over(self, name: str, properties: Mapping[str, SecretValue], version: int) -> Written:
        request = self._request(Action.WRITE, name, "data", "update" if version else "create")
        attempts = 0

        def send(_: object) -> Written:
            nonlocal attempts
            attempts += 1
            body = self._kv.create_or_update_secret(
                name, dict(properties), cas=version, mount_point=self._address.mount
            )
            return Written(str(int(body["data"]["version"])), made=made_of(body))

        def settle() -> Written | None:
            return self._settled(name, properties, version)

        try:
            written = self._connection.write(request, send, settle)
        except ConflictError as error:
            conflict = error
        else:
            return self._require_next(name, written, version)
        # An earlier attempt may have been stored after its reading back.
        if attempts > 1 and (stored := settle()) is not None:
            return stored
        raise conflict

    def _require_next(self, name: str, written: Written, version: int) -> Written:
        # A compare-and-set over one version makes the next, and no other.
        if written.version != str(version + 1):
            reason = f"version {written.version} was stored, and {version + 1} was expected after {version}"
            remedy = "check that version by hand, and do not trust this address"
            raise UnverifiedError(self._place(name), Action.WRITE, reason, remedy, written.version)
        return written

    def _settled(self, name: str, properties: Mapping[str, SecretValue], version: int) -> Written | None:
        try:
            newest = self._newest_or_none(name)
            if newest is None and version == 0:
                return None
            if newest is not None and int(newest.version) == version:
                return None
            mine = str(version + 1)
            if newest is not None and newest.version != mine:
                newest = self.read_version(name, mine)
        except StoreError:
            newest = None
        if newest is not None and _is_same(newest.properties, properties):
            return Written(mine, made=newest.attributes.created)
        if newest is not None:
            raise self._conflict(name, Action.WRITE, str(version), newest.version)
        raise OutcomeUnknownError(
            self._place(name),
            Action.WRITE,
            "the reply was lost and the secret cannot be read back",
            "run the same command again: it compares first",
        )

    def _newest_or_none(self, name: str) -> RemoteSecret | None:
        try:
            return self.read(name)
        except NotFoundError:
            return None

    def _tag(self, request: Request, tags: Mapping[str, str], written: Written) -> None:
        try:
            self._repeatable(
                request,
                # None: hvac's default would take away the time after which its owner lets versions delete themselves.
                lambda _: self._kv.update_metadata(
                    request.name, delete_version_after=None, custom_metadata=dict(tags), mount_point=self._address.mount
                ),
            )
        except StoreError as error:
            failure = error
        else:
            return
        # Not that error: it would deny a version that was stored.
        reason = f"version {written.version} is stored, but its tags are not: {failure.reason}"
        command = shell_line("bao", "kv", "metadata", "patch", "-custom-metadata")
        remedy = f"{failure.remedy}; then write the tags (`{command}`)"
        raise UnfinishedWriteError(self._place(request.name), Action.WRITE, reason, remedy, written.version)


def _is_same(one: Mapping[str, SecretValue], other: Mapping[str, SecretValue]) -> bool:
    comparer = Comparer()
    return one.keys() == other.keys() and all(comparer.same(one[key], other[key]) for key in one)
