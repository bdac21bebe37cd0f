"""What a comparison runs."""

import re
from pathlib import Path

import pytest
from support.comparisons import plan, record_run

from limbeck_common.core.errors import SetupError
from limbeck_common.core.spec import MethodSpec
from limbeck_lab.compare.plan import Job, is_comparison, read_plan, resolve, settle
from limbeck_lab.compare.variants import Variant, read_tables
from limbeck_lab.results.metrics_file import append
from limbeck_lab.results.records import Summary
from limbeck_lab.run.lab_run import BaseSettings


def test_a_variant_table_may_override_any_setting(tmp_path: Path) -> None:
    file = tmp_path / "variants.toml"
    file.write_text(
        '[variants.small]\nmethod = "dsfl"\noptions = { aggregation = "sa" }\nmodel = ["mlp", "cnn"]\n'
        "recipe.fit.epochs = 1\nfederation.rounds = 7\n"
        '[variants."no server"]\nmethod = "dsfl"\nmodel.name = "none"\n'
    )
    small, bare = read_tables(file)
    base = BaseSettings(4, flags={"recipe.fit.epochs": "9"})
    variant = resolve(small, base, ("forest",))
    assert variant.models == ("mlp", "cnn")
    assert variant.settings.federation.rounds == 7
    assert variant.settings.recipe.fit.epochs == 1
    assert variant.settings.method.options == {"aggregation": "sa"}
    assert variant.settings.data.parts == 4
    other = resolve(bare, base, ("forest",))
    assert (bare.label, other.models, other.settings.model.name) == ("no-server", ("forest",), "none")
    assert other.settings.recipe.fit.epochs == 9


def test_a_configurations_options_are_for_its_own_method_alone(tmp_path: Path) -> None:
    config = tmp_path / "federation.toml"
    config.write_text('[method]\nname = "own.module:Class"\noptions = { strange = 1 }\n')
    variant = resolve(
        Variant("a", "dsfl"), BaseSettings(2, config, flags={"method.options.temperature": "0.5"}), ("mlp",)
    )
    assert variant.settings.method == MethodSpec(name="dsfl", options={"temperature": 0.5})
    with pytest.raises(SetupError, match="strange"):
        resolve(Variant("a", "dsfl", {"strange": "1"}), BaseSettings(2, config), ("mlp",))


@pytest.mark.parametrize("key", ["lobby.count.min", "round.count.min"])
def test_nobody_waits_for_more_clients_than_there_are(key: str) -> None:
    with pytest.raises(SetupError, match=f"{key} is 3, and there are 2 clients"):
        resolve(Variant("a", "dsfl"), BaseSettings(2, flags={key: "3", "lobby.count.max": "9"}), ("mlp",))


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
