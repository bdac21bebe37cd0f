"""The runner performs what the agent says, over a transport and a runtime that write down what was asked of them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from limbeck_client.runner import Runner
from limbeck_client.transport import Member
from limbeck_common.core.errors import (
    BehindError,
    ConflictError,
    EndedError,
    EpochError,
    FederationError,
    OpenSetError,
    RoundError,
    StreamError,
    UnreachableError,
    UserCodeError,
)
from limbeck_common.core.messages import Answer, Downlink, Ended, Idle, Invitation, Receipt, Uplink
from limbeck_common.core.spec import MethodSpec, Output, Spec

SPEC = Spec(
    rounds=2,
    output=Output(width=3),
    sample_shape=(4,),
    sample_dtype="|u1",
    open_rows=20,
    method=MethodSpec(name="fedmd"),
)
INVITATION = Invitation("f", SPEC.model_dump_json(), b"digest", 8)
FINISHED = Ended("finished", "all done")
WORK = Downlink("f", 1, plan={})


@dataclass
class Script:
    """A server and a runtime in one: answers in turn, and an error among the answers is raised.

    `calls` is what was asked. A Pull whose answer is the name of a call stays open until that call has been made.
    """

    pulls: list[Any]
    joins: list[Any] = field(default_factory=lambda: [INVITATION, INVITATION])
    pushes: list[Any] = field(default_factory=list)
    declines: list[Any] = field(default_factory=list)
    works: list[Any] = field(default_factory=list)
    releases: list[Any] = field(default_factory=list)
    streams: list[list[Any]] = field(default_factory=list)
    digest: bytes = b"digest"
    kept: Uplink | None = None
    calls: list[tuple[Any, ...]] = field(default_factory=list)

    async def join(self, client: str, digest: bytes, classes: int) -> Invitation:
        return self._answer(self.joins, INVITATION, "join", client, digest, classes)

    async def pull(self, member: Member, after: int, learned: int, open_rows: int) -> Answer:
        self.calls.append(("pull", member, after, learned, open_rows))
        while self.pulls and isinstance(self.pulls[0], str):
            if not any(call[0] == self.pulls[0] for call in self.calls):
                await asyncio.sleep(0.001)
            else:
                self.pulls.pop(0)
                await asyncio.sleep(0.01)
        return self._next(self.pulls, FINISHED)

    async def push(self, uplink: Uplink) -> Receipt:
        return self._answer(self.pushes, Receipt.ACCEPTED, "push", uplink.round, uplink.epoch)

    async def decline(self, member: Member, round_number: int) -> None:
        self._answer(self.declines, None, "decline", member, round_number)

    async def open_data(self, federation_id: str, offset: int) -> AsyncIterator[bytes]:
        self.calls.append(("open_data", federation_id, offset))
        for part in self.streams.pop(0):
            if isinstance(part, Exception):
                raise part
            yield part

    async def open_digest(self, spec: Spec) -> bytes:
        assert spec == SPEC
        return self.digest

    async def take_open_data(self, spec: Spec, content: bytes) -> bytes:
        assert spec == SPEC
        self.calls.append(("take", content))
        return b"digest" if content == b"12345678" else b"other"

    async def output_width(self, spec: Spec) -> int:
        return spec.output.width

    async def resume(self, spec: Spec, federation_id: str) -> Uplink | None:
        self.calls.append(("resume", spec.rounds, federation_id))
        return self.kept

    async def local_round(self, spec: Spec, downlink: Downlink, epoch: int) -> Uplink:
        uplink = Uplink(downlink.federation_id, "a", downlink.round, metrics={"loss": 0.123456}, epoch=epoch)
        return self._answer(self.works, uplink, "work", spec.rounds, downlink.round, epoch)

    async def release(self, uplink: Uplink) -> bool | None:
        return self._answer(self.releases, bool(uplink.round), "release", uplink.round)

    def _answer(self, answers: list[Any], usual: Any, *call: Any) -> Any:
        self.calls.append(call)
        return self._next(answers, usual)

    @staticmethod
    def _next(answers: list[Any], usual: Any) -> Any:
        answer = answers.pop(0) if answers else usual
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def made(self, *names: str) -> list[tuple[Any, ...]]:
        return [call for call in self.calls if call[0] in names]


def run(script: Script, patience: float = 3600.0) -> Ended:
    async def main() -> Ended:
        return await Runner("a", script, script, patience).run()

    return asyncio.run(asyncio.wait_for(main(), 30))


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("limbeck_client.retry.FIRST_PAUSE", 0.01)
    monkeypatch.setattr("limbeck_client.agent.REVIEW_PAUSE", 0.01)


MEMBER = Member("f", 1, "a")


def events(logs: Any, *wanted: str) -> list[dict[str, Any]]:
    return [dict(log) for log in logs if log["event"].startswith(wanted)]


def test_a_federation_of_one_round_from_its_join_to_its_end() -> None:
    script = Script(pulls=[Idle("lobby", 0), WORK, "push"])
    with capture_logs() as logs:
        assert run(script) == FINISHED
    assert script.calls[:4] == [
        ("join", "a", b"", 0),
        ("join", "a", b"digest", 3),
        ("resume", 2, "f"),
        ("pull", MEMBER, 0, 0, 20),
    ]
    assert script.made("pull")[1:] == [("pull", MEMBER, 0, 0, 20), ("pull", MEMBER, 1, 1, 20)]
    assert script.made("work", "release", "push") == [("work", 2, 1, 1), ("release", 1), ("push", 1, 1)]
    assert events(logs, "joined", "working", "pushed") == [
        {
            "event": "joined",
            "log_level": "info",
            "client": "a",
            "federation": "federation",
            "method": "fedmd",
            "rounds": 2,
        },
        {"event": "working", "log_level": "info", "client": "a", "round": 1, "closing": False},
        {
            "event": "pushed",
            "log_level": "info",
            "client": "a",
            "round": 1,
            "receipt": Receipt.ACCEPTED,
            "loss": 0.1235,
        },
    ]


def test_a_client_that_waits_says_what_for_and_says_it_once() -> None:
    with capture_logs() as logs:
        run(Script(pulls=[Idle("lobby", 0), Idle("lobby", 0), WORK, "push", Idle("lobby", 1)]))
    assert [(log["phase"], log["round"]) for log in events(logs, "waiting for a round")] == [("lobby", 0), ("lobby", 1)]


def test_a_late_uplink_is_warned_of() -> None:
    with capture_logs() as logs:
        run(Script(pulls=[WORK, "push"], pushes=[Receipt.LATE]))
    assert [log["log_level"] for log in events(logs, "pushed")] == ["warning"]


@pytest.mark.parametrize("state", ["failed", "stopped"])
def test_a_federation_that_did_not_finish_is_an_error_with_its_reason(state: str) -> None:
    with pytest.raises(EndedError, match=f"^the federation {state}: no quorum; ask its operator$"):
        run(Script(pulls=[Ended(state, "no quorum")]))


def test_a_restarted_client_pushes_what_its_checkpoint_holds() -> None:
    script = Script(pulls=["push"], kept=Uplink("f", "a", 4))
    with capture_logs() as logs:
        run(script)
    assert script.made("pull", "release", "push", "work") == [
        ("pull", MEMBER, 4, 4, 20),
        ("release", 4),
        ("push", 4, 1),
    ]
    assert [log["round"] for log in events(logs, "going on from the checkpoint")] == [4]


def test_what_failed_is_tried_again() -> None:
    away = UnreachableError("away")
    script = Script(
        pulls=[away, WORK, "push"],
        joins=[away, INVITATION, away, INVITATION, INVITATION],
        pushes=[away],
    )
    with capture_logs() as logs:
        run(script)
    assert len(script.made("join")) == 5
    assert script.made("push") == [("push", 1, 1)] * 2
    assert [log["after"] for log in events(logs, "trying again")] == ["away"] * 4


def test_without_patience_the_first_failure_ends_the_client() -> None:
    script = Script(pulls=[], joins=[UnreachableError("away")])
    with pytest.raises(UnreachableError):
        run(script, patience=0)
    assert len(script.calls) == 1


def test_a_mistake_in_the_users_code_ends_the_client() -> None:
    script = Script(pulls=[WORK, "never"], works=[UserCodeError("the learner raised")])
    with pytest.raises(UserCodeError, match="the learner raised"):
        run(script)


@pytest.mark.parametrize("error", [ValueError("a bug"), ZeroDivisionError("another")])
def test_a_bug_is_raised_as_it_is(error: Exception) -> None:
    with pytest.raises(type(error), match=str(error)):
        run(Script(pulls=[WORK, "never"], works=[error]))


def test_calls_under_way_are_cancelled_at_the_end() -> None:
    async def scene() -> set[asyncio.Task[Any]]:
        script = Script(pulls=[WORK, "never"], works=[UserCodeError("crash")])
        before = asyncio.all_tasks()
        with pytest.raises(UserCodeError):
            await Runner("a", script, script).run()
        return asyncio.all_tasks() - before

    assert asyncio.run(scene()) == set()


def test_an_uplink_waits_for_its_owner() -> None:
    script = Script(pulls=[WORK, "push"], releases=[None, None, True])
    run(script)
    assert script.made("release", "push") == [("release", 1)] * 3 + [("push", 1, 1)]


def test_a_refused_uplink_is_declined_and_the_next_round_worked() -> None:
    script = Script(pulls=[WORK, "decline", Downlink("f", 2, plan={}), "push"], releases=[None, False])
    with capture_logs() as logs:
        assert run(script) == FINISHED
    assert script.made("work", "push", "decline") == [
        ("work", 2, 1, 1),
        ("decline", MEMBER, 1),
        ("work", 2, 2, 1),
        ("push", 2, 1),
    ]
    assert events(logs, "kept back", "declined") == [
        {"event": "kept back: its owner refused it", "log_level": "warning", "client": "a", "round": 1},
        {"event": "declined: the round does not wait for this client", "log_level": "info", "client": "a", "round": 1},
    ]


def test_a_decline_is_tried_again_and_its_refusal_is_logged_and_not_fatal() -> None:
    script = Script(
        pulls=[WORK, "wait", Downlink("f", 2, plan={}), "push"],
        releases=[False],
        declines=[UnreachableError("away"), RoundError("no such round")],
    )

    original = script.decline

    async def decline(member: Member, round_number: int) -> None:
        if len(script.made("decline")) == 1:
            script.calls.append(("wait",))
        await original(member, round_number)

    script.decline = decline  # type: ignore[method-assign]
    with capture_logs() as logs:
        assert run(script) == FINISHED
    assert script.made("decline") == [("decline", MEMBER, 1)] * 2
    assert script.made("push") == [("push", 2, 1)]
    assert events(logs, "not declined", "declined") == [
        {"event": "not declined", "log_level": "warning", "client": "a", "round": 1, "why": "no such round"}
    ]


def test_a_restored_server_is_joined_again_and_counted_anew() -> None:
    restored = replace(INVITATION, epoch=2)
    script = Script(
        pulls=[Downlink("f", 5, plan={}), "push", EpochError("restored"), Downlink("f", 4, plan={}), "decline"],
        joins=[INVITATION, INVITATION, restored, restored],
        releases=[True, False],
    )
    with capture_logs() as logs:
        assert run(script) == FINISHED
    again = Member("f", 2, "a")
    assert script.made("pull") == [
        ("pull", MEMBER, 0, 0, 20),
        ("pull", MEMBER, 5, 5, 20),
        ("pull", again, 0, 0, 20),
        ("pull", again, 4, 4, 20),
    ]
    assert script.made("work", "decline") == [("work", 2, 5, 1), ("work", 2, 4, 2), ("decline", again, 4)]
    assert events(logs, "the server was") == [
        {
            "event": "the server was restored from a backup: rounds are counted from its round on",
            "log_level": "warning",
            "client": "a",
            "epoch": 2,
            "last_round_here": 5,
        }
    ]


def test_a_checkpoint_of_an_earlier_epoch_is_gone_on_from_but_its_uplink_is_not_pushed() -> None:
    restored = replace(INVITATION, epoch=3)
    script = Script(pulls=[], joins=[restored, restored], kept=Uplink("f", "a", 6, epoch=2))
    with capture_logs() as logs:
        run(script)
    assert script.made("pull", "release", "push") == [("pull", Member("f", 3, "a"), 0, 0, 20)]
    assert [(log["epoch"], log["last_round_here"]) for log in events(logs, "the server was")] == [(3, 6)]


def test_a_server_whose_epoch_is_older_is_asked_again_until_patience_ends() -> None:
    later = replace(INVITATION, epoch=3)
    script = Script(pulls=["push"], joins=[INVITATION, INVITATION, later, later], kept=Uplink("f", "a", 6, epoch=3))
    with capture_logs() as logs:
        run(script)
    assert script.made("push") == [("push", 6, 3)]
    (log,) = events(logs, "the server's store is older")
    assert log["after"].startswith("the server's store is of epoch 1, this client has worked in epoch 3; expected a ")
    with pytest.raises(BehindError, match="epoch 1, this client has worked in epoch 2"):
        run(Script(pulls=[], kept=Uplink("f", "a", 6, epoch=2)), patience=0)


def test_an_older_epoch_is_noticed_without_a_checkpoint_too_but_not_in_another_federation() -> None:
    second = replace(INVITATION, epoch=2)
    older = Script(pulls=[FederationError("other")], joins=[second, second, INVITATION, INVITATION])
    with pytest.raises(BehindError, match="of epoch 1, this client has worked in epoch 2"):
        run(older, patience=0)
    other = replace(INVITATION, federation_id="g")
    script = Script(pulls=[FederationError("other")], joins=[second, second, other, other])
    assert run(script) == FINISHED
    assert script.made("pull")[-1] == ("pull", Member("g", 1, "a"), 0, 0, 20)


def test_open_data_that_the_client_lacks_is_fetched_and_a_broken_stream_is_taken_up() -> None:
    away = UnreachableError("away")
    script = Script(pulls=[], digest=b"", streams=[[b"123", away], [away], [b"45", b"6", away], [b"78"]])
    with capture_logs() as logs:
        run(script)
    assert script.made("open_data") == [("open_data", "f", offset) for offset in (0, 3, 3, 6)]
    assert script.made("take", "join")[1:] == [("take", b"12345678"), ("join", "a", b"digest", 3)]
    assert [log["bytes"] for log in events(logs, "fetching")] == [8]


def test_open_data_that_was_damaged_is_refused() -> None:
    script = Script(pulls=[], digest=b"", streams=[[b"1234567x"]])
    with pytest.raises(OpenSetError, match="the open data was damaged on its way; join again"):
        run(script)
    assert len(script.made("join")) == 1


def test_a_stream_that_makes_no_progress_ends_with_patience() -> None:
    script = Script(pulls=[], digest=b"", streams=[[UnreachableError("away")]])
    with pytest.raises(UnreachableError):
        run(script, patience=0)
    assert script.made("open_data") == [("open_data", "f", 0)]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda text: text.replace('"width":3', '"width":-3'), "cannot be used: output.width: Input should be greater"),
        (lambda _: "?", "cannot be used: it: Invalid JSON"),
    ],
)
def test_a_specification_that_cannot_be_used_is_refused(spoil: Callable[[str], str], said: str) -> None:
    invitation = replace(INVITATION, spec_json=spoil(INVITATION.spec_json))
    with pytest.raises(StreamError, match=said):
        run(Script(pulls=[], joins=[invitation]))


def test_a_conflict_ends_the_client() -> None:
    with pytest.raises(ConflictError):
        run(Script(pulls=[WORK, "never"], pushes=[ConflictError("other content")]))
