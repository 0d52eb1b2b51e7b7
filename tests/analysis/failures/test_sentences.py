import json
import math
import re
import warnings
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image
from scipy.stats import fisher_exact
from sklearn.linear_model import LogisticRegression
from tests.photographs import CLASS_NAMES

from bakeoff.analysis.failures.evidence import gather_evidence
from bakeoff.analysis.failures.facts import COLORS, dominant_colors, fact_named, image_facts
from bakeoff.analysis.failures.learning_history import learning_history
from bakeoff.analysis.failures.neighbors import nearest_training_images
from bakeoff.analysis.failures.sentences import describe
from bakeoff.analysis.failures.trends import EndContrast, ErrorTrend, Estimate
from bakeoff.predictions import Predictions, RecipePredictions, RunMaps

NAMES = list(CLASS_NAMES)
NUM_SEEDS = 3


def load(folder):
    paths = sorted(folder.glob("*.png"))
    images = []
    for path in paths:
        with Image.open(path) as image:
            images.append(np.asarray(image.convert("RGB").resize((32, 32))))
    labels = np.array([int(path.stem.split("_")[1]) - 1 for path in paths])
    return np.stack(images), labels, tuple(path.name for path in paths)


@pytest.fixture(scope="module")
def study(photographs):
    """Real images, and linear models fitted to bootstraps of them on coarse and on fine pixels."""
    train_images, train_labels, _ = load(photographs / "train")
    test_images, test_labels, ids = load(photographs / "test")
    rng = np.random.default_rng(0)
    # A planted trend: dark images have their probabilities rolled on by one class.
    dark = rng.random(len(test_images)) < 0.25
    test_images = np.where(dark[:, None, None, None], test_images * 0.3, test_images).astype(np.uint8)
    recipes, features, dynamics = [], {}, {}
    for name, cells in (("coarse", 4), ("fine", 8)):
        train, test = (
            images.reshape(len(images), cells, 32 // cells, cells, 32 // cells, 3).mean(axis=(2, 4)) / 255
            - 0.5
            for images in (train_images, test_images)
        )
        train, test = train.reshape(len(train), -1), test.reshape(len(test), -1)
        probabilities = []
        for _ in range(NUM_SEEDS):
            drawn = rng.integers(len(train), size=len(train))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a few steps are enough
                model = LogisticRegression(max_iter=15).fit(train[drawn], train_labels[drawn])
            given = model.predict_proba(test)
            given[dark] = np.roll(given[dark], 1, axis=1)
            probabilities.append(given.astype(np.float32))
        stacked = np.stack(probabilities)
        recipes.append(RecipePredictions(name, (0, 1, 2), stacked.argmax(axis=-1), stacked))
        features[name] = (np.stack([test] * NUM_SEEDS), np.stack([train] * NUM_SEEDS))
        dynamics[name] = rng.beta(2, 2, (NUM_SEEDS, 9, len(train))).astype(np.float16)
    predictions = Predictions(test_labels, ids, tuple(NAMES), tuple(recipes))
    return predictions, test_images, train_images, train_labels, features, dynamics


@pytest.fixture(scope="module")
def evidence(study):
    predictions, test_images, train_images, train_labels, features, dynamics = study
    return gather_evidence(
        predictions,
        test_images,
        train_images,
        train_labels,
        {n: nearest_training_images(test, train, train_labels) for n, (test, train) in features.items()},
        {n: learning_history(dynamic) for n, dynamic in dynamics.items()},
        {recipe.name: list(random_maps(predictions, recipe)) for recipe in predictions.recipes},
    )


def random_maps(predictions, recipe):
    rng = np.random.default_rng(1)
    for answers in recipe.predicted:
        wrong = np.flatnonzero(answers != predictions.labels)
        maps = rng.normal(size=(len(wrong), 16, 16)).astype(np.float32)
        maps[::40, :3] += 9.0
        yield RunMaps(wrong, maps, np.zeros(len(wrong), np.float32))


@pytest.fixture(scope="module")
def all_findings(evidence):
    """(recipe, image, finding) of every failed case there is."""
    return [
        (name, int(image), finding)
        for name, recipe in evidence.recipes.items()
        for image in np.flatnonzero(recipe.difficulty.num_wrong)
        for finding in describe(evidence.case(name, int(image)), evidence)
    ]


def of_kind(all_findings, kind):
    found = [(name, image, finding.numbers) for name, image, finding in all_findings if finding.kind == kind]
    assert found, f"no sentence of kind {kind} to check"
    return found


def test_answers_and_confusions_are_recomputed_from_the_predictions(study, all_findings):
    predictions = study[0]
    for name, image, numbers in of_kind(all_findings, "answers"):
        recipe = predictions.recipe(name)
        answers, true = recipe.predicted[:, image], predictions.labels[image]
        usual = NAMES.index(numbers["predicted"])
        says = answers == usual
        assert NAMES[true] == numbers["true"] != numbers["predicted"]
        assert (numbers["num_wrong"], numbers["num_seeds"]) == (np.sum(answers != true), NUM_SEEDS)
        assert numbers["num_predicted"] == says.sum() == np.bincount(answers[answers != true]).max()
        given = recipe.probabilities[:, image].astype(float)
        assert numbers["predicted_probability"] == pytest.approx(given[says, usual].mean())
        assert numbers["true_probability"] == pytest.approx(given[:, true].mean())
    for name, _, numbers in of_kind(all_findings, "confusion"):
        of_class = predictions.labels == NAMES.index(numbers["true"])
        taken = predictions.recipe(name).predicted[:, of_class] == NAMES.index(numbers["predicted"])
        assert numbers["mean_count"] == pytest.approx(taken.sum() / NUM_SEEDS)
        assert numbers["num_class_images"] == of_class.sum()
        assert numbers["share"] == pytest.approx(taken.mean())


def test_groups_are_recomputed_from_the_predictions(study, evidence, all_findings):
    predictions = study[0]
    for _, image, numbers in of_kind(all_findings, "group"):
        right = {
            r.name: int(np.sum(r.predicted[:, image] == predictions.labels[image]))
            for r in predictions.recipes
        }
        assert numbers["num_right"] == right
        table = [[count, NUM_SEEDS - count] for count in right.values()]
        assert numbers["p_value"] == pytest.approx(fisher_exact(table).pvalue)
        assert (numbers["group"] == "always wrong") == (sum(right.values()) == 0)


def test_facts_and_colors_are_recomputed_from_the_pixels(study, all_findings):
    predictions, test_images, train_images, train_labels, *_ = study
    test_facts, train_facts = image_facts(test_images), image_facts(train_images)
    for _, image, numbers in of_kind(all_findings, "fact"):
        value = test_facts[numbers["fact"]][image]
        reference = train_facts[numbers["fact"]][train_labels == predictions.labels[image]]
        beyond = np.mean(reference < value) if numbers["high"] else np.mean(reference > value)
        assert numbers["value"] == value
        assert numbers["share_beyond"] == pytest.approx(beyond)
        assert beyond >= 0.95
        assert numbers["median"] == pytest.approx(np.median(reference))
        assert numbers["num_reference"] == len(reference)
    test_colors, train_colors = dominant_colors(test_images), dominant_colors(train_images)
    for _, image, numbers in of_kind(all_findings, "colour"):
        reference = train_colors[train_labels == predictions.labels[image]]
        assert numbers["colour"] == COLORS[test_colors[image]]
        assert numbers["num_alike"] == np.sum(reference == test_colors[image]) <= 0.05 * len(reference)


def test_trends_are_recomputed_and_the_image_belongs_to_the_quarter(study, all_findings):
    predictions, test_images, *_ = study
    facts = image_facts(test_images)
    for name, image, numbers in of_kind(all_findings, "trend"):
        values = facts[numbers["fact"]]
        inside = values >= numbers["edge"] if numbers["high"] else values <= numbers["edge"]
        error = 1 - predictions.correct(name).mean(axis=0)
        assert inside[image]
        # A quarter, and equal values stay together.
        beyond = values > numbers["edge"] if numbers["high"] else values < numbers["edge"]
        assert beyond.sum() - 1 <= len(values) / 4 <= inside.sum() + 1
        assert numbers["inside"] == pytest.approx(error[inside].mean())
        assert numbers["elsewhere"] == pytest.approx(error[~inside].mean())
        assert numbers["inside"] > numbers["elsewhere"]
    facts_named = {numbers["fact"] for _, _, numbers in of_kind(all_findings, "trend")}
    assert "brightness" in facts_named


@pytest.mark.parametrize("high", [True, False])
@pytest.mark.parametrize("harder_within_class", [True, False])
def test_a_trend_is_told_of_images_in_its_quarter_if_it_holds_within_classes(
    evidence, high, harder_within_class
):
    values = evidence.facts["contrast"]
    within = Estimate(0.1, 0.05, 0.15) if harder_within_class else Estimate(0.0, -0.05, 0.05)
    end = EndContrast(
        high=high,
        edge=float(np.quantile(values, 0.75 if high else 0.25, method="inverted_cdf")),
        num_images=len(values) // 4,
        inside=0.7,
        elsewhere=0.5,
        difference=Estimate(0.2, 0.1, 0.3),
        within_class=within,
        p_value=0.001,
        adjusted_p=0.002,
    )
    trend = ErrorTrend("coarse", fact_named("contrast"), (), (end,), (end,))
    planted = replace(evidence, recipes={"coarse": replace(evidence.recipes["coarse"], trends=(trend,))})
    told = {
        int(image)
        for image in np.flatnonzero(evidence.recipes["coarse"].difficulty.num_wrong)
        if any(finding.kind == "trend" for finding in describe(planted.case("coarse", int(image)), planted))
    }
    inside = values >= end.edge if high else values <= end.edge
    failed = np.flatnonzero(inside & (evidence.recipes["coarse"].difficulty.num_wrong > 0))
    assert told == (set(failed.tolist()) if harder_within_class else set())


def test_neighbors_and_their_history_are_recomputed(study, all_findings):
    _, _, _, train_labels, features, dynamics = study
    for name, image, numbers in of_kind(all_findings, "neighbours"):
        test, train = (part[0] for part in features[name])
        cosine = train @ test[image] / np.linalg.norm(train, axis=1) / np.linalg.norm(test[image])
        chosen = np.array(numbers["indices"])
        assert len(set(numbers["indices"])) == numbers["k"] == 10
        assert cosine[chosen].min() >= np.delete(cosine, chosen).max() - 1e-6
        labels = [NAMES[label] for label in train_labels[chosen]]
        assert numbers["labels"] == {label: labels.count(label) for label in labels}
    near = {(name, image): numbers["indices"] for name, image, numbers in of_kind(all_findings, "neighbours")}
    for name, image, numbers in of_kind(all_findings, "history"):
        known = dynamics[name] > 0.5
        forgotten = (known[:, :-1] & ~known[:, 1:]).sum(axis=1).mean(axis=0)
        epochs = np.where(~known, np.arange(1, 10)[:, None], 0).max(axis=1) + 1.0
        epochs[epochs > 9] = np.inf
        learned = np.median(epochs, axis=0)
        here, everywhere = np.median(learned[near[name, image]]), np.median(learned)
        assert numbers["epoch_learned"] == (here if np.isfinite(here) else None)
        assert numbers["epoch_learned_all"] == (everywhere if np.isfinite(everywhere) else None)
        assert numbers["num_forgotten"] == pytest.approx(forgotten[near[name, image]].mean())
        assert numbers["num_forgotten_all"] == pytest.approx(forgotten.mean())


def test_label_doubts_are_recomputed(study, all_findings):
    predictions = study[0]
    mean = np.mean(
        [recipe.probabilities.astype(float).mean(axis=0) for recipe in predictions.recipes], axis=0
    )
    for _, image, numbers in of_kind(all_findings, "label doubt"):
        assert numbers["label"] == NAMES[predictions.labels[image]]
        assert numbers["label_probability"] == pytest.approx(mean[image, predictions.labels[image]], abs=1e-6)
        assert numbers["suggested"] == NAMES[mean[image].argmax()]
        assert numbers["suggested_probability"] == pytest.approx(mean[image].max(), abs=1e-6)
        assert numbers["agreement"] == pytest.approx(np.mean(mean.argmax(axis=1) == predictions.labels))


def test_attributions_are_told_where_they_are_unlike_the_others(all_findings):
    told = of_kind(all_findings, "attribution")
    assert {numbers["where"] for *_, numbers in told} == {"gathered", "border"}
    for _, _, numbers in told:
        assert 0.95 <= numbers["share_beyond"] < 1
        beyond = numbers["value"] - numbers["median"]
        assert beyond > 0 if numbers["where"] == "border" else beyond < 0


def rendered(value):
    """Every way in which a text may write a number."""
    if isinstance(value, dict):
        return set().union(*(rendered(inner) for inner in value.values()))
    if isinstance(value, bool | str | list | None):
        return set()
    ways = {f"{value:.0f}", f"{value:,.0f}", f"{value:g}"} if float(value).is_integer() else set()
    ways |= {f"{value:.{digits}f}" for digits in (1, 2, 3)} | {f"{value:.3g}", f"{value:.1g}"}
    return ways | {f"{100 * value:.0f}", f"{100 * value:.1f}", f"{math.floor(100 * value + 1e-9)}"}


def test_no_text_holds_a_number_that_is_not_among_its_numbers(all_findings):
    for _, _, finding in all_findings:
        allowed = rendered(finding.numbers)
        for number in re.findall(r"(?<![\w.])-?\d[\d,]*(?:\.\d+)?(?:e-?\d+)?", finding.text):
            assert number.rstrip(",") in allowed, finding


def test_texts_are_sentences_that_claim_no_cause(all_findings):
    for _, _, finding in all_findings:
        assert finding.text[0].isupper() or finding.text[0].isdigit()
        assert finding.text.endswith(".")
        assert "  " not in finding.text
        for claim in ("because", "due to", "caused", "therefore", "nan", "inf,", "None"):
            assert claim not in finding.text
        json.dumps(finding.numbers, allow_nan=False)


def test_class_names_stand_in_the_text_as_they_are(study):
    predictions, test_images, train_images, train_labels, *_ = study
    names = tuple(f"<b>{name}</b> & Söhne" for name in NAMES)
    odd = Predictions(predictions.labels, predictions.image_ids, names, predictions.recipes)
    evidence = gather_evidence(odd, test_images, train_images, train_labels)
    case = evidence.chosen_cases()[0]
    findings = describe(case, evidence)
    assert findings[0].text.startswith(f"True {names[case.true]}, predicted {names[case.predicted]}: ")
    assert not {"neighbours", "history"} & {finding.kind for finding in findings}


def test_without_probabilities_only_the_votes_are_told(study):
    predictions, test_images, train_images, train_labels, *_ = study
    [recipe, _] = predictions.recipes
    votes = RecipePredictions(recipe.name, recipe.seeds, recipe.predicted)
    blind = Predictions(predictions.labels, predictions.image_ids, predictions.class_names, (votes,))
    evidence = gather_evidence(blind, test_images, train_images, train_labels)
    assert evidence.doubts is None
    for case in evidence.chosen_cases():
        answers, _, group, *rest = describe(case, evidence)
        assert "probability" not in answers.text
        assert answers.numbers["predicted_probability"] is None
        assert "exact test" not in group.text
        assert "label doubt" not in {finding.kind for finding in rest}


def test_the_chosen_cases_are_by_recipe_and_class(evidence):
    cases = evidence.chosen_cases()
    keys = [(list(evidence.recipes).index(case.recipe), case.true) for case in cases]
    assert len(keys) == 20
    assert all(before < after for before, after in pairwise(keys))


def test_of_many_recipes_the_runs_that_are_right_are_summed_and_the_extremes_named() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 60)
    recipes = []
    for number in range(6):
        probabilities = rng.dirichlet(np.ones(3), (NUM_SEEDS, 60)).astype(np.float32)
        probabilities[np.arange(NUM_SEEDS)[:, None], np.arange(60), labels] += 0.2 * number
        recipes.append(RecipePredictions(f"r{number}", (0, 1, 2), probabilities.argmax(2), probabilities))
    images = rng.integers(0, 256, (60, 8, 8, 3), dtype=np.uint8)
    predictions = Predictions(labels, tuple(map(str, range(60))), ("x", "y", "z"), tuple(recipes))
    evidence = gather_evidence(predictions, images, None, None)
    index = int(np.flatnonzero(recipes[0].predicted[0] != labels)[0])
    sentence = next(s for s in describe(evidence.case("r0", index), evidence) if s.kind == "group")
    right = {recipe.name: int((recipe.predicted[:, index] == labels[index]).sum()) for recipe in recipes}
    fewest, most = min(right, key=right.get), max(reversed(right), key=right.get)
    assert f"classified correctly by {sum(right.values())} of 18 runs, from " in sentence.text
    assert (
        f"from {right[fewest]} of 3 seeds of {fewest} to {right[most]} of 3 seeds of {most}" in sentence.text
    )
    assert sentence.numbers["num_right"] == right
