"""The daemon's settings: a file, then variables, then flags; mistakes are named by their key."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from limbeck_common.core.errors import SettingsError
from limbeck_common.core.spec import MethodSpec, Spec
from limbeck_server.open_data import find_open_data
from limbeck_server.settings import Settings, load


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "federation.toml"


def refusal(file: Path | None, **flags: Any) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        load(file, {name.replace("__", "."): value for name, value in flags.items()})
    return caught.value


def test_without_anything_the_defaults_hold() -> None:
    assert load(None, {}) == Settings()


def test_a_flag_overrides_a_variable_and_a_variable_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("[round.time]\nmin = 1\nmax = 10\n[round.count]\nmin = 3\n[federation]\nname = 'of-the-file'\n")
    monkeypatch.setenv("LIMBECK_ROUND__TIME__MAX", "20")
    monkeypatch.setenv("LIMBECK_ROUND__COUNT__MIN", "4")
    settings = load(file, {"round.count.min": "5"})
    assert settings.federation.name == "of-the-file"
    assert (settings.round.time.min, settings.round.time.max) == (1, 20)
    assert settings.round.count.min == 5


def test_variables_and_flags_are_read_as_toml_where_they_are_toml(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMBECK_METHOD__OPTIONS__TEMPERATURE", "0.5")
    monkeypatch.setenv("LIMBECK_DATA__DATASET", "mnist")
    monkeypatch.setenv("LIMBECK_STORE__PATH", "/var/lib/limbeck")
    settings = load(None, {"open.sample_shape": "[3, 32, 32]", "open.served": "false", "model.name": '"mlp"'})
    assert settings.method.options == {"temperature": 0.5}
    assert settings.data.dataset == "mnist"
    assert settings.store.path == Path("/var/lib/limbeck")
    assert settings.open.sample_shape == (3, 32, 32)
    assert settings.open.served is False
    assert settings.model.name == "mlp"


@pytest.mark.parametrize(
    ("key", "text", "options"),
    [
        ("method.options.aggregation", "sa", {"aggregation": "sa"}),
        ("method.options.half", "true", {"half": True}),
        ("method.options.name", '"5"', {"name": "5"}),
        ("method.options.layers", "[8, 4]", {"layers": [8, 4]}),
        ("method.options.inner.beta", "2", {"inner": {"beta": 2}}),
        ("method.options", "{half = true, beta = 2}", {"half": True, "beta": 2}),
    ],
)
def test_an_option_of_a_method_is_read_as_toml_where_it_is_toml(key: str, text: str, options: dict[str, Any]) -> None:
    assert load(None, {key: text}).method.options == options


def test_a_whole_section_may_be_given_and_parts_of_it_override_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMBECK_ROUND", "{count = {min = 4}, time = {max = 20}}")
    settings = load(None, {"round.time": "{min = 5}", "round.time.max": "30"})
    assert (settings.round.count.min, settings.round.time.min, settings.round.time.max) == (4, 5, 30)


def test_a_text_for_a_whole_table_replaces_the_one_before(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text('[method]\nname = "fedavg"\n[method.options]\nproximal = 1\n')
    assert load(file, {"method.options": "{}"}).method == MethodSpec(name="fedavg")
    assert load(file, {"method.options": "{}", "method.options.a": "1"}).method.options == {"a": 1}
    monkeypatch.setenv("LIMBECK_METHOD__OPTIONS__PROXIMAL", "2")
    assert load(file, {"method.options.b": "1"}).method.options == {"proximal": 2, "b": 1}
    assert load(file, {"method.options": "{}"}).method.options == {}


@pytest.mark.parametrize("text", ["2024", "2024-01-02", "1e3", "true", "nan"])
def test_a_path_or_a_text_may_look_like_another_toml_value(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMBECK_TLS__FOLDER", text)
    settings = load(None, {"store.path": text, "data_dir": text, "federation.name": text, "open.source": text})
    assert settings.store.path == settings.tls.folder == settings.data_dir == Path(text)
    assert settings.federation.name == settings.open.source == text
    assert load(None, {"method.options.name": "5"}).method.options == {"name": 5}


def test_a_host_to_listen_on_may_have_brackets_or_not() -> None:
    for text in ("::1", "[::1]"):
        assert load(None, {"listen.host": text, "listen.port": "5"}).listen.at() == "[::1]:5"
    assert load(None, {}).listen.at(7) == "127.0.0.1:7"


DIGEST = {"open.digest": "a" * 64, "open.rows": "5", "open.sample_shape": "[4]"}


def test_open_data_that_is_known_by_its_digest_needs_its_shape() -> None:
    assert load(None, DIGEST).open.rows == 5
    for missing in ("open.rows", "open.sample_shape"):
        with pytest.raises(SettingsError, match="digest needs rows and sample_shape beside it"):
            load(None, {key: value for key, value in DIGEST.items() if key != missing})
    with pytest.raises(SettingsError, match="setting open: source and digest are both set"):
        load(None, DIGEST | {"open.source": "a:b"})


def test_a_model_of_the_servers_own_needs_open_rows() -> None:
    with pytest.raises(SettingsError, match=r'model, cnn, has no open rows: .*; expected .*"none"'):
        find_open_data(load(None, DIGEST))
    assert find_open_data(load(None, DIGEST | {"model.name": "none"})).rows == 5


def test_the_folder_of_the_data_sets_is_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMBECK_DATA", "/data")
    assert load(None, {}).data == Settings().data


def test_an_unknown_key_is_named_beside_those_there_are_with_a_suggestion(file: Path) -> None:
    file.write_text("[round.time]\nmaxx = 60\n")
    error = refusal(file)
    assert error.wrong == f"unknown setting round.time.maxx in {file}"
    assert error.expected == "one of max, min"
    assert error.remedy == "did you mean 'max'?"


@pytest.mark.parametrize("name", ["learning_rate", "local_epochs"])
def test_a_key_that_belongs_into_a_section_of_its_section_is_shown_there(name: str) -> None:
    error = refusal(None, **{f"recipe__{name}": "1"})
    key = "epochs" if name == "local_epochs" else name
    assert error.remedy == f"did you mean 'fit.{key}' or 'distill.{key}'?"


def test_an_unknown_key_like_no_other_is_to_be_taken_out() -> None:
    error = refusal(None, recipe__fit__zzz="1")
    assert error.wrong == "unknown setting recipe.fit.zzz"
    assert "batch_size" in error.expected
    assert error.remedy == "take it out"


def test_a_mistake_of_the_command_line_is_not_put_down_to_the_file(file: Path) -> None:
    file.write_text("[round.time]\nmax = 60\n")
    assert refusal(file, round__time__maxx="1").wrong == "unknown setting round.time.maxx"
    assert refusal(file, recipe__fit__zzz="1").wrong == "unknown setting recipe.fit.zzz"


def test_an_unknown_section_and_an_unknown_variable_are_named_too(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("[rouned]\n")
    assert refusal(file).remedy == "did you mean 'round'?"
    monkeypatch.setenv("LIMBECK_LISTEN__PROT", "1")
    assert "listen.prot" in refusal(None).wrong
    assert refusal(None).remedy == "did you mean 'port'?"


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("round.time.max", '"soon"', "valid number"),
        ("round.time.max", "-1", "greater than 0"),
        ("round.sample_ratio", "1.5", "less than or equal to 1"),
        ("federation.rounds", "2.5", "valid integer"),
        ("federation.name", '"two words"', "letters, digits"),
        ("federation.name", '".."', "not dots alone"),
        ("federation.seed", str(2**63), "less than"),
        ("listen.port", "70000", "less than or equal to 65535"),
        ("recipe.fit.optimizer", '"lbfgs"', "'sgd', 'adam' or 'adamw'"),
        ("round", "5", "valid dictionary"),
        ("round", "often", "valid dictionary"),
        ("open.sample_shape", "[3", "valid tuple"),
        ("open.served", "perhaps", "valid boolean"),
        ("open.digest", '"abc"', "match pattern"),
        ("output.width", "0", "greater than or equal to 1"),
        ("output", "1", "valid dictionary"),
        ("open.sample_dtype", '"blob"', "not a NumPy type"),
        ("open.sample_dtype", '"O"', "not a numeric NumPy type"),
        ("listen.host", '"host:5"', "without a port"),
    ],
)
def test_a_value_that_does_not_fit_is_named_with_its_key(key: str, value: str, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(None, {key: value})
    assert caught.value.wrong.startswith(f"setting {key}: ")
    assert said in caught.value.wrong
    try:
        given = tomllib.loads("value = " + value)["value"]
    except tomllib.TOMLDecodeError:
        given = value
    assert f"got {given!r}" in caught.value.wrong


def test_a_value_that_does_not_fit_is_explained_by_what_its_setting_means() -> None:
    remedy = refusal(None, round__grace="-1").remedy
    assert remedy == "meaning: Seconds of silence after which a client counts as gone."


@pytest.mark.parametrize("section", [Settings, Spec])
def test_every_setting_says_what_it_means_in_a_sentence(section: type[BaseModel]) -> None:
    for name, field in section.model_fields.items():
        said = field.description or ""
        assert re.match("[A-Z]", said), f"{section.__name__}.{name}: {said!r}"
        assert said.endswith("."), f"{section.__name__}.{name}: {said!r}"
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            test_every_setting_says_what_it_means_in_a_sentence(kind)


def test_unknown_variables_are_named_whatever_their_section(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMBECK_ROUNED__TIME__MAX", "1")
    assert refusal(None).wrong == "unknown setting rouned"
    assert refusal(None).remedy == "did you mean 'round'?"


def test_a_key_of_the_readers_own_is_no_setting(file: Path) -> None:
    for key in ("tree", "flags", "_env_file", "model_config"):
        file.write_text(f"{key} = 'x'\n")
        assert refusal(file).wrong == f"unknown setting {key} in {file}"


def keys(section: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in section.model_fields.items():
        yield prefix + name
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from keys(kind, f"{prefix}{name}.")
    yield f"{prefix}unknown.key"


NASTY = (
    "",
    " ",
    "x",
    "[",
    "{a",
    "'",
    '"',
    "[" * 3000,
    "9" * 5000,
    "nan",
    "-1",
    "1\n2",
    "{a.b.c = {d = 1}}",
    "[1, 'a']",
)


@pytest.mark.parametrize("text", NASTY, ids=lambda text: repr(text[:9]))
def test_any_text_is_a_value_or_a_mistake_of_one_line(text: str) -> None:
    refused = {key: error for key in keys(Settings) if (error := mistake(key, text)) is not None}
    assert len(refused) > 15
    for key, error in refused.items():
        assert error.wrong.startswith((f"setting {key.partition('.')[0]}", "unknown setting "))
        assert len(error.wrong) < 400


def mistake(key: str, text: str) -> SettingsError | None:
    try:
        load(None, {key: text})
    except SettingsError as error:
        return error
    return None


def test_a_file_that_is_not_toml_is_named_with_the_line(file: Path) -> None:
    file.write_text("[round\n")
    assert str(file) in refusal(file).wrong
    assert "line 1" in refusal(file).wrong
    assert refusal(file).expected == "a TOML file that can be read"


def test_a_file_that_cannot_be_read_is_named(file: Path) -> None:
    assert str(file) in refusal(file).wrong
    file.write_bytes(b"name = '\xff'")
    assert str(file) in refusal(file).wrong
    assert str(file.parent) in refusal(file.parent).wrong


def test_settings_do_not_change_once_read() -> None:
    settings = load(None, {})
    with pytest.raises(ValueError, match="frozen"):
        settings.listen.port = 1  # type: ignore[misc]


def test_keys_are_told_apart_by_case(tmp_path: Path) -> None:
    for text, key in (
        ("[Federation]\nrounds = 3\n", "Federation"),
        ("[federation]\nRounds = 3\n", "federation.Rounds"),
    ):
        file = tmp_path / "f.toml"
        file.write_text(text)
        with pytest.raises(SettingsError, match=f"unknown setting {key}"):
            load(file, {})
