"""The model card against the results, its code and its commands."""

import hashlib
import json
import re
import shutil
import subprocess
import sys

import pytest
from sklearn.metrics import confusion_matrix
from statsmodels.stats.proportion import proportion_confint
from tests.export.chosen import chosen_run
from tests.in_process import bakeoff
from tests.predict.trained import softmax, stored


def rows(card: str, heading: str) -> list[list[str]]:
    """The cells of the last table below a heading."""
    table = card.split(f"## {heading}\n")[1].split("\n## ")[0].strip().split("\n\n")[-1].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[2:]]


def test_the_card_says_what_was_measured(exported, photo_study):
    folder, one, _ = exported
    card = (folder / "one/README.md").read_text("utf-8")
    arrays = stored(photo_study, *chosen_run(one.stdout))
    predicted, labels = arrays["test_logits"].argmax(1), arrays["test_labels"]
    num_right = int((predicted == labels).sum())
    low, high = proportion_confint(num_right, 400, method="wilson")
    accuracy = num_right / 400
    assert f"| this model | {100 * accuracy:.1f} | {100 * low:.1f} to {100 * high:.1f} |" in card, card
    matrix = confusion_matrix(labels, predicted)
    names = arrays["class_names"].tolist()
    classes = rows(card, "Accuracy")
    assert [row[0] for row in classes] == names
    assert [row[2] for row in classes] == [f"{100 * matrix[k, k] / 40:.1f}" for k in range(10)]
    confusions = rows(card, "Known confusions")
    assert len(confusions) == 10
    for true, taken, count, *_ in confusions:
        assert int(count) == matrix[names.index(true), names.index(taken)]
    for name in ("model.onnx", "model.safetensors", "study.toml"):
        assert hashlib.sha256((folder / "one" / name).read_bytes()).hexdigest() in card
    assert "The images were not checked for duplicates and leaks." in card
    data = json.loads((photo_study / "data.json").read_text())
    assert data["fingerprint"] in card


def test_the_card_of_an_ensemble_speaks_of_all_its_models(exported, photo_study):
    folder, _, _ = exported
    card = (folder / "new/both/README.md").read_text("utf-8")
    runs = [stored(photo_study, "lenet5_batch_norm", seed) for seed in (0, 1)]
    mean = sum(softmax(arrays["test_logits"]) for arrays in runs)
    share = (mean.argmax(1) == runs[0]["test_labels"]).mean()
    assert f"| these models together | {100 * share:.1f} |" in card
    assert "the mean of 2 models of 62,458 parameters each, trained with the\nseeds 0, 1." in card


def test_the_code_on_the_card_runs_as_it_stands(exported, photo_study, photographs, tmp_path):
    folder, one, _ = exported
    recipe, seed = chosen_run(one.stdout)
    arrays = stored(photo_study, recipe, seed)
    code = re.search(r"```python\n(.*?)```", (folder / "one/README.md").read_text("utf-8"), re.DOTALL)
    assert code
    shutil.copy(folder / "one/model.onnx", tmp_path)
    shutil.copy(photographs / arrays["test_ids"][5], tmp_path / "image.png")
    done = subprocess.run(
        [sys.executable, "-c", code[1]], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    name, probability = done.stdout.rsplit(maxsplit=1)
    expected = softmax(arrays["test_logits"][5:6])[0]
    assert name == arrays["class_names"][expected.argmax()]
    assert float(probability) == pytest.approx(expected.max(), abs=1e-5)


@pytest.mark.slow
def test_the_commands_on_the_card_give_the_same_model_again(exported, photographs, tmp_path):
    folder, _, _ = exported
    card = (folder / "one/README.md").read_text("utf-8")
    commands = re.findall(r"^\$ bakeoff (.*)$", card, re.MULTILINE)
    assert len(commands) == 2
    shutil.copy(folder / "one/study.toml", tmp_path)
    for command in commands:
        done = bakeoff(*command.split(), cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    for name in ("model.safetensors", "model.onnx"):
        assert (tmp_path / "exported" / name).read_bytes() == (folder / "one" / name).read_bytes()


def test_the_head_of_the_card_is_what_hugging_face_reads(exported, photo_study):
    from huggingface_hub import ModelCard

    folder, one, _ = exported
    data = ModelCard.load(folder / "one/README.md").data
    assert (data.library_name, data.pipeline_tag) == ("onnx", "image-classification")
    assert data.license is None
    (result,) = data.eval_results
    arrays = stored(photo_study, *chosen_run(one.stdout))
    accuracy = (arrays["test_logits"].argmax(1) == arrays["test_labels"]).mean()
    assert result.metric_type == "accuracy"
    assert result.metric_value == pytest.approx(accuracy, abs=1e-4)
    assert result.task_type == "image-classification"
    assert result.dataset_split == "test"


def test_a_license_stands_in_the_head(photo_study, tmp_path):
    from huggingface_hub import ModelCard

    done = bakeoff("export", photo_study, "model", "--license", "cc-by-4.0", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert ModelCard.load(tmp_path / "model/README.md").data.license == "cc-by-4.0"
    refused = bakeoff("export", photo_study, "other", "--license", "CC BY: 4", cwd=tmp_path)
    assert refused.returncode == 2
    assert "found 'CC BY: 4'; expected a name in lower case" in refused.stderr
    assert not (tmp_path / "other").exists()
