"""Study files and --set, written to do harm: refused in words, and soon."""

import tomllib

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.errors import BakeoffError
from bakeoff.models import build_model
from bakeoff.study import load_study, study_from_toml, study_to_toml
from bakeoff.study.settings.model import CustomModelSettings
from bakeoff.study.tables import MAX_BYTES, MAX_DEPTH, MAX_RECIPES

SMALL = 'name = "x"\n[defaults]\noptimizer = "sgd"\n[recipes.a]\n[recipes.b]\nmodel = "m:C"\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a = " + "[" * 5_000, "deep"),
        ("a = " + "{a = " * 100 + "1" + "}" * 100, "deep"),
        ("a" + ".a" * 100 + " = 1", "deep"),
        ("a" + ".a" * 50_000 + " = 1", "line 1 has 50,000 dots"),
        ("a = " + "9" * 5_000, "too many digits"),
        ("[recipes]\n" + "".join(f"a{number}={{}}\n" for number in range(1_001)), "1,001 recipes"),
        ("[recipes]\n" + "".join(f"a{number}={{}}\n" for number in range(1_000_000)), "too many"),
        ('name = "x"\nseeds = 10000\n[recipes]' + "".join(f"\na{n}={{}}" for n in range(11)), "100,000 runs"),
        ("".join(f"key_{number} = 1\n" for number in range(60_000)), "unknown key"),
        (SMALL.replace('"x"', f'"{"x" * 100_000}"'), "name: the name 'xxx"),
        (f'"{"k" * 100_000}" = 1\n{SMALL}', "unknown key"),
        (SMALL.replace('"sgd"', "{name = []}"), "optimizer"),
        (SMALL.replace('"m:C"', '"../../evil:C"'), "model"),
        (SMALL.replace("recipes.a", 'recipes."../../a"'), "may contain only letters"),
        (SMALL.replace("recipes.a", 'recipes."\\u001b[2J"'), "may contain only letters"),
    ],
)  # fmt: skip
def test_a_hostile_study_file_is_refused_soon(tmp_path, refused, text, words):
    file = tmp_path / "study.toml"
    file.write_text(text)
    with refused(str(file), words):
        load_study(file)


def test_a_file_too_long_is_not_read(tmp_path, refused):
    file = tmp_path / "study.toml"
    with file.open("wb") as opened:
        opened.truncate(1 << 40)  # a hole of a terabyte
    with refused(str(file), "too many for a study file"):
        load_study(file)


def test_the_limits_leave_room_for_the_largest_study(tmp_path):
    recipes = "".join(f"[recipes.recipe_{number:04}]\n" for number in range(MAX_RECIPES))
    study = study_from_toml(f'name = "large"\n{recipes}', "large")
    text = study_to_toml(study)
    assert len(text) < MAX_BYTES
    assert study_from_toml(text, "again") == study


@pytest.mark.parametrize("name", ["a" * 300, "a/" * 3_000, "nul\0", "\udce9"])
def test_a_name_that_no_file_can_have_is_told(refused, name):
    with refused():
        load_study(name)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("a=" + "[" * 5_000, "deep"),
        ("seeds=" + "9" * 5_000, "too many digits"),
        (".".join("a" * 5_000) + "=1", f"expected at most {MAX_DEPTH}"),
        (".".join("a" * 31) + "=[[[1]]]", "deep"),
        ("x" * 100_000, "expected KEY=VALUE"),
        ("name.a=1", "not a table"),
    ],
)
def test_a_hostile_override_is_refused_soon(refused, override, words):
    with refused("override", words):
        load_study("quickstart", overrides=[override])


@pytest.mark.parametrize(
    "body",
    [
        "raise KeyError('x')",
        "import sys; sys.exit(3)",
        "def broken(:",
        "class C:\n def __init__(s, **k): 1/0",
    ],
)
def test_a_users_model_may_fail_in_any_way(tmp_path, monkeypatch, refused, body):
    name = f"hostile_model_{abs(hash(body))}"
    (tmp_path / f"{name}.py").write_text(body)
    monkeypatch.syspath_prepend(tmp_path)
    with refused(f"{name}:C"):
        build_model(CustomModelSettings(name=f"{name}:C"), num_classes=2, image_size=16, seed=0)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
PATHS = st.sampled_from(
    ["name", "seeds", "data", "data.source", "defaults", "defaults.model", "defaults.optimizer.name",
     "recipes", "recipes.a", "recipes.a.optimizer", "recipes.b.model", "recipes.b.model.name",
     "recipes.b.model.width", "published", "published.a", "published.a.train_loss", "baseline", "other"]
)  # fmt: skip


def without_none(value):
    if isinstance(value, dict):
        return {key: without_none(child) for key, child in value.items() if child is not None}
    return [without_none(child) for child in value if child is not None] if isinstance(value, list) else value


@given(st.lists(st.tuples(PATHS, VALUES), min_size=1, max_size=3))
def test_any_values_give_a_study_or_an_explanation(changes):
    tables = tomllib.loads(SMALL)
    for path, value in changes:
        *parents, last = path.split(".")
        table = tables
        for part in parents:
            if not isinstance(table.get(part), dict):
                table[part] = {}
            table = table[part]
        table[last] = value
    text, message = tomli_w.dumps(without_none(tables)), "the file: "
    try:
        study = study_from_toml(text, "the file")
        assert study_from_toml(study_to_toml(study), "again") == study
    except BakeoffError as error:
        message = str(error)
    assert message.startswith("the file: ")


@pytest.mark.parametrize("value", ["nan", "[1, [inf]]", "{a = 2026-01-01}", "12:00:00"])
def test_an_option_that_cannot_be_written_again_is_refused(refused, value):
    """NaN would be lost on the way through the study folder, and a date come back as a text."""
    with refused("recipes.b.model: width is", "expected finite numbers"):
        study_from_toml(
            f"{SMALL}[recipes.b.model]\nwidth = {value}\n".replace('model = "m:C"\n', "").replace(
                "width", 'name = "m:C"\nwidth'
            ),
            "the file",
        )
