"""What a comparison plans, and the metrics that it draws from its runs."""

import json
import re
from pathlib import Path

import pytest
from rich.console import Console

from limbeck_common.core.errors import SetupError
from limbeck_common.core.spec import MethodSpec
from limbeck_lab.compare.plan import Entry, Job, Plan, by_label, is_comparison, make_entry, read_plan, settle
from limbeck_lab.compare.progress import Progress
from limbeck_lab.compare.scores import read_runs, score
from limbeck_lab.compare.variants import Variant, read_methods, read_tables
from limbeck_lab.report.score_table import print_comparison, share
from limbeck_lab.run.results import ClientSummary, RoundRecord, ServerRecord, Summary, append
from limbeck_server.settings import FederationSettings, Settings


def plan(*methods: str, seeds: int = 2, rounds: int = 3) -> Plan:
    entries = {
        method: Entry(
            settings=Settings(method=MethodSpec(name=method), federation=FederationSettings(rounds=rounds)),
            models=("mlp",),
        )
        for method in methods
    }
    return Plan(seeds=seeds, clients=2, target=0.8, variants=entries)


def record_run(folder: Path, job: Job, accuracies: list[float], count: int, *, has_model: bool = True) -> None:
    """Two clients: in each round each sends `count` bytes and takes none; the closing round takes as many."""
    run = job.folder(folder)
    run.mkdir(parents=True)
    for number, accuracy in enumerate(accuracies, 1):
        clients = {"a": {"accuracy": accuracy - 0.1}, "b": {"accuracy": accuracy + 0.1}}
        append(
            run,
            RoundRecord(
                round=number,
                seconds=1,
                uplinks=2,
                participants=2,
                bytes_up=2 * count,
                bytes_down=0,
                clients=clients,
            ),
        )
        if has_model:
            append(run, ServerRecord(round=number, accuracy=accuracy))
    total = count * (len(accuracies) + 1)
    append(
        run,
        Summary(
            state="finished",
            seconds=10 + job.seed,
            server_accuracy=accuracies[-1] if has_model else None,
            clients=(
                ClientSummary(name="a", model="mlp", federated=accuracies[-1] - 0.1, bytes_up=total, bytes_down=0),
                ClientSummary(name="b", model="mlp", federated=accuracies[-1] + 0.1, bytes_up=total, bytes_down=0),
            ),
            bytes_counted="as encoded",
        ),
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("dsfl", [("dsfl", "dsfl", {})]),
        ("dsfl,fedmd", [("dsfl", "dsfl", {}), ("fedmd", "fedmd", {})]),
        ("dsfl:aggregation=sa", [("dsfl-aggregation=sa", "dsfl", {"aggregation": "sa"})]),
        (
            "cfd:bits=1,beta=0.5,dsfl",
            [("cfd-bits=1-beta=0.5", "cfd", {"bits": "1", "beta": "0.5"}), ("dsfl", "dsfl", {})],
        ),
        ("own.module:Class:a=1", [("own.module-Class-a=1", "own.module:Class", {"a": "1"})]),
    ],
)
def test_methods_are_read_with_their_options(text: str, expected: list[tuple[str, str, dict[str, str]]]) -> None:
    assert [(one.label, one.method, one.options) for one in read_methods(text)] == [
        (label.replace(",", "-"), method, options) for label, method, options in expected
    ]


@pytest.mark.parametrize("text", ["", "dsfl,,fedmd", "aggregation=sa", "dsfl:", "a:b:c"])
def test_what_is_no_method_is_refused(text: str) -> None:
    with pytest.raises(SetupError, match="expected METHOD"):
        read_methods(text)


def test_a_variant_table_may_override_any_setting(tmp_path: Path) -> None:
    file = tmp_path / "variants.toml"
    file.write_text(
        '[variants.small]\nmethod = "dsfl"\noptions = { aggregation = "sa" }\nmodel = ["mlp", "cnn"]\n'
        "recipe.local_epochs = 1\nfederation.rounds = 7\n"
        '[variants."no server"]\nmethod = "dsfl"\nmodel.name = "none"\n'
    )
    small, bare = read_tables(file)
    entry = make_entry(small, None, {}, {"recipe.local_epochs": "9"}, 4, ("forest",))
    assert entry.models == ("mlp", "cnn")
    assert entry.settings.federation.rounds == 7
    assert entry.settings.recipe.local_epochs == 1
    assert entry.settings.method.options == {"aggregation": "sa"}
    assert entry.settings.data.parts == 4
    other = make_entry(bare, None, {}, {"recipe.local_epochs": "9"}, 4, ("forest",))
    assert (bare.label, other.models, other.settings.model.name) == ("no-server", ("forest",), "none")
    assert other.settings.recipe.local_epochs == 9


@pytest.mark.parametrize(
    "content",
    ["", "x", "variants = 3", "[variants.a]\n", '[variants.a]\nmethod = "dsfl"\nfederation.seed = 3\n', "[other]\n"],
)
def test_a_variants_file_of_another_form_is_refused_by_name(tmp_path: Path, content: str) -> None:
    file = tmp_path / "variants.toml"
    file.write_text(content)
    with pytest.raises(SetupError, match=re.escape("variants.toml")):
        by_label(read_tables(file))


def test_a_configurations_options_are_for_its_own_method_alone(tmp_path: Path) -> None:
    config = tmp_path / "federation.toml"
    config.write_text('[method]\nname = "own.module:Class"\noptions = { strange = 1 }\n')
    entry = make_entry(Variant("a", "dsfl"), config, {}, {"method.options.temperature": "0.5"}, 2, ("mlp",))
    assert entry.settings.method == MethodSpec(name="dsfl", options={"temperature": 0.5})
    with pytest.raises(SetupError, match="strange"):
        make_entry(Variant("a", "dsfl", {"strange": "1"}), config, {}, {}, 2, ("mlp",))


def test_two_variants_of_one_name_are_refused() -> None:
    with pytest.raises(SetupError, match="two variants"):
        by_label(read_methods("dsfl,dsfl"))
    with pytest.raises(SetupError, match="nothing to compare"):
        by_label([])


@pytest.mark.parametrize("key", ["lobby.count.min", "round.count.min"])
def test_nobody_waits_for_more_clients_than_there_are(key: str) -> None:
    with pytest.raises(SetupError, match=f"{key} is 3, and there are 2 clients"):
        make_entry(Variant("a", "dsfl"), None, {}, {key: "3", "lobby.count.max": "9"}, 2, ("mlp",))


def test_a_folder_keeps_to_its_first_command(tmp_path: Path) -> None:
    settle(tmp_path, plan("dsfl"))
    settle(tmp_path, plan("dsfl"))
    assert is_comparison(tmp_path)
    with pytest.raises(SetupError, match=re.escape("federation.rounds is 3 there and 4 here")):
        settle(tmp_path, plan("dsfl", rounds=4))
    with pytest.raises(SetupError, match="seeds is 2 there and 1 here"):
        settle(tmp_path, plan("dsfl", seeds=1))


def test_a_comparison_may_grow_and_not_shrink(tmp_path: Path) -> None:
    settle(tmp_path, plan("dsfl"))
    settle(tmp_path, plan("fedavg", "dsfl", seeds=3))
    assert [str(job) for job in read_plan(tmp_path).jobs()][:2] == ["fedavg seed 0", "dsfl seed 0"]
    assert read_plan(tmp_path).seeds == 3
    with pytest.raises(SetupError, match="holds a comparison with fedavg, which this command leaves out"):
        settle(tmp_path, plan("dsfl", seeds=3))


@pytest.mark.parametrize("content", ['{"settings": {}}', "[]", "{"])
def test_a_folder_of_something_else_is_left_alone(tmp_path: Path, content: str) -> None:
    (tmp_path / "settings.json").write_text(content)
    with pytest.raises(SetupError, match="--run-dir"):
        settle(tmp_path, plan("dsfl"))
    assert (tmp_path / "settings.json").read_text() == content


def test_a_run_is_done_only_with_a_summary_of_a_finished_federation(tmp_path: Path) -> None:
    job = Job("dsfl", 0, 1)
    assert job.done(tmp_path) is None
    record_run(tmp_path, job, [0.5], 10)
    assert job.done(tmp_path) is not None
    append(job.folder(tmp_path), Summary(state="failed", seconds=1, bytes_counted="as encoded"))
    assert job.done(tmp_path) is None
    (job.folder(tmp_path) / "metrics.jsonl").write_text("what\nwhat\n")
    assert job.done(tmp_path) is None


def test_every_variant_has_the_same_seeds_and_clients(tmp_path: Path) -> None:
    both = plan("dsfl", "fedavg")
    parts = [job.parts(both, tmp_path) for job in both.jobs()]
    assert [settings.federation.seed for settings, _ in parts] == [0, 0, 1, 1]
    assert len({tuple(clients) for _, clients in parts}) == 1
    assert len({settings.store.path for settings, _ in parts}) == 4


def test_the_figures_of_a_comparison(tmp_path: Path) -> None:
    both = plan("fedavg", "dsfl")
    record_run(tmp_path, Job("fedavg", 0, 3), [0.5, 0.8, 0.9], 1000)
    record_run(tmp_path, Job("fedavg", 1, 3), [0.8, 0.8, 0.7], 1000)
    record_run(tmp_path, Job("dsfl", 0, 3), [0.1, 0.2, 0.8], 10, has_model=False)
    found = score(both, read_runs(both, tmp_path))
    base, other = found.scores
    assert base.server is not None
    assert (base.server.median, base.server.low, base.server.high) == (pytest.approx(0.8), 0.7, 0.9)
    assert (base.worst, base.middle, base.best) == (pytest.approx(0.7), pytest.approx(0.8), pytest.approx(0.9))
    assert [run.target_round for run in base.runs] == [2, 1]
    assert base.target_bytes is not None
    assert (base.target_bytes.median, base.target_bytes.low, base.target_bytes.high) == (1500, 1000, 2000)
    assert base.bytes is not None
    assert base.bytes.median == 4000
    assert other.server is None
    assert other.missing == (1,)
    assert [run.target_bytes for run in other.runs] == [30]  # judged by the mean client
    assert other.bytes_of_baseline == pytest.approx(0.01)
    assert other.target_bytes_of_baseline == pytest.approx(0.02)
    console = Console(width=140)
    with console.capture() as capture:
        print_comparison(found, console)
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in capture.get().splitlines() if line.strip()}
    assert rows["fedavg"] == ("80.0 (70.0-90.0) 80.0 (70.0-90.0) 70.0 / 80.0 / 90.0 4.0 kB 100 % 1.5 kB 100 % 10.5 s")
    assert rows["dsfl"] == "- 80.0 70.0 / 80.0 / 90.0 40 B 1 % 30 B 2 % 10.0 s"
    assert "missing: dsfl 1" in " ".join(capture.get().split())


def test_a_target_that_half_of_the_seeds_miss_has_no_median(tmp_path: Path) -> None:
    one = plan("dsfl")
    record_run(tmp_path, Job("dsfl", 0, 3), [0.5, 0.8], 10)
    record_run(tmp_path, Job("dsfl", 1, 3), [0.5, 0.7], 10)
    (found,) = score(one, read_runs(one, tmp_path)).scores
    assert found.target_bytes is not None
    assert (found.target_bytes.median, found.target_bytes.low) == (None, 20)
    assert json.loads(found.model_dump_json())["target_bytes"]["median"] is None


def test_shares_are_written_with_two_digits() -> None:
    assert [share(each) for each in (None, 0.0123, 0.000345, 2.5, 0.999)] == ["-", "1.2 %", "0.034 %", "250 %", "100 %"]


def test_progress_counts_what_failed_as_ended() -> None:
    jobs = [Job("dsfl", seed, 4) for seed in range(3)]
    progress = Progress(4, jobs)
    progress.start(jobs[0])
    progress.round(jobs[0])
    assert progress.line().startswith("1 of 4 runs; about ")
    assert progress.line().endswith("dsfl seed 0 round 2/4")
    progress.end(jobs[0])
    assert progress.count() == "2 of 4"
