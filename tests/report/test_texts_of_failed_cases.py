"""Every number in every sentence under every failed case, out of the stored files again.

The sentences are taken from the page and read with patterns of this file's own; what they say is computed
anew from the arrays in the study folder.
"""

import base64
import io
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from cleanlab.filter import find_label_issues
from PIL import Image
from scipy.special import softmax
from tests.report.pages import gallery_of

from bakeoff.analysis.failures.facts import COLORS, FACTS, dominant_colors, image_facts
from bakeoff.report import build_report
from bakeoff.store import StoredStudy, load_study_folder

NUM_SEEDS, RECIPES = 3, ("plain", "normed")


@pytest.fixture(scope="module")
def study(study_maker: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Enough epochs that most training images are learned, few enough that many test images are not."""
    root = study_maker(tmp_path_factory.mktemp("texts") / "study", recipes=RECIPES, seeds=NUM_SEEDS, epochs=5)
    build_report(root)
    return root


@pytest.fixture(scope="module")
def stored(study: Path) -> StoredStudy:
    return load_study_folder(study)


@pytest.fixture(scope="module")
def page_text(study: Path) -> str:
    return (study / "report/index.html").read_text("utf-8")


@pytest.fixture(scope="module")
def data(page_text: str) -> dict:
    return gallery_of(page_text)


@pytest.fixture(scope="module")
def arrays(study: Path, stored: StoredStudy) -> dict:
    """By recipe: the arrays of each run, as they are in the files."""
    found: dict = {}
    for name in RECIPES:
        runs = []
        for seed in range(NUM_SEEDS):
            folder = study / "runs" / name / f"seed-{seed}"
            run = {}
            for file in ("predictions", "features", "attributions"):
                with np.load(folder / f"{file}.npz") as content:
                    run |= {f"{file}.{key}": content[key] for key in content.files}
            runs.append(run)
        logits = np.stack([run["predictions.test_logits"] for run in runs])
        found[name] = {
            "runs": runs,
            "answers": logits.argmax(axis=2),
            "probabilities": softmax(logits.astype(np.float64), axis=2),
            "wrong": logits.argmax(axis=2) != stored.test_labels,
        }
    return found


def patterns(names: tuple[str, ...]) -> dict[str, str]:
    name, number = f"(?:{'|'.join(map(re.escape, names))})", r"[\d.e-]+"
    recipe, share = f"(?:{'|'.join(RECIPES)})", r"\d+ %"
    return {
        "answers": rf"True (?P<true>{name}), predicted (?P<predicted>{name}): (?P<wrong>\d) of "
        rf"(?P<seeds>\d) seeds of (?P<recipe>{recipe}) misclassif(?:y|ies) this image, (?P<agree>\d) as "
        rf"{name} with a mean probability of (?P<sure>{number})\. The mean probability of "
        rf"{name} over all seeds is "
        r"(?P<true_share>[\d.]+)\.",
        "confusion": rf"On average over \d seeds, {recipe} predicts (?P<predicted>{name}) for "
        rf"(?P<count>[\d.]+) of the (?P<images>\d+) test images of {name} \((?P<share>[\d.]+) %\)\.",
        "group": r"(?P<group>[A-Z][a-z ]+): classified correctly by (?P<plain>\d) of \d seeds of plain and "
        r"(?P<normed>\d) of \d seeds of normed(?:; [a-z ]+ \(exact test, p = (?P<p>[\d.e-]+) before "
        r"correction for (?P<images>\d+) images\))?\.",
        "attribution": r"Attribution \(integrated gradients, mean over (?P<runs>\d) runs?\): "
        rf"(?:half of the support for {name} over {name} is concentrated in (?P<half>{share}) of the image|"
        rf"(?P<border>{share}) of the support for {name} over {name} lies in the outer eighth of the image, "
        r"which is 44 % of its area); the median of the "
        rf"(?P<reference>\d+) failed cases of {recipe} with as many runs is (?P<median>{share})\.",
        "fact": rf"(?P<comparative>[A-Z][a-z ]+) than (?P<share>all|{share} of the) "
        rf"(?P<reference>\d+) training "
        rf"images of {name} \((?P<fact>[a-z ]+) (?P<value>{number}), median of the class "
        rf"(?P<median>{number})\)\.",
        "color": r"The most frequent color is (?P<color>[a-z]+), as in only (?P<alike>\d+) of the "
        rf"(?P<reference>\d+) training images of {name}\.",
        "trend": rf"In the (?P<quarter>[a-z -]+) quarter of the test images, the error rate of {recipe} is "
        r"(?P<within>\d+) points higher than in other images of the same class "
        rf"\(over all classes (?P<inside>{share}), compared with (?P<elsewhere>{share}) elsewhere\)\.",
        "neighbors": rf"Labels of the 10 nearest training images for {recipe} \(cosine similarity in the "
        r"penultimate layer\): (?P<labels>.*)\.",
        "history": r"Epoch at which these 10 were learned \(median\): (?P<here>[\d.]+|not within 5), "
        r"compared with (?P<all>[\d.]+|not within 5) for all (?P<images>\d+) training images; times "
        r"forgotten \(mean\): (?P<forgotten>[\d.]+), compared with (?P<forgotten_all>[\d.]+)\.",
        "label doubt": r"Label to check \(rank (?P<rank>\d+) of (?P<doubts>\d+)\): averaged over all "
        rf"recipes, the probability of {name} is (?P<label_share>[\d.]+), that of (?P<suggested>{name}) "
        r"(?P<suggested_share>[\d.]+)\. These averages agree with (?P<agreement>\d+ %) of the labels of all "
        r"(?P<images>\d+) test images\.",
    }


@pytest.fixture(scope="module")
def said(data: dict, stored: StoredStudy) -> dict[str, dict[tuple[str, int], list[dict]]]:
    """By kind, then by recipe and test image: what each sentence says, by the pattern's names."""
    found: dict = {}
    kinds = patterns(stored.class_names)
    for case in data["cases"]:
        key = (data["recipes"][case["recipe"]], data["images"]["index"][case["image"]])
        for text in case["texts"]:
            read = {kind: re.fullmatch(pattern, text) for kind, pattern in kinds.items()}
            (kind,) = (kind for kind, match in read.items() if match)
            found.setdefault(kind, {}).setdefault(key, []).append(read[kind].groupdict())
    return found


def usual_wrong(arrays: dict, name: str, image: int) -> int:
    answers, wrong = arrays[name]["answers"][:, image], arrays[name]["wrong"][:, image]
    votes = Counter(answers[wrong].tolist())
    most = max(votes.values())
    mean = arrays[name]["probabilities"][:, image].mean(axis=0)
    return max((label for label, count in votes.items() if count == most), key=lambda label: mean[label])


def whole_percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def test_each_kind_of_sentence_is_there_and_every_failed_case_has_the_first_three(
    said: dict, arrays: dict, stored: StoredStudy
) -> None:
    assert set(said) == set(patterns(stored.class_names))
    failed = {
        (name, int(image)) for name in RECIPES for image in np.flatnonzero(arrays[name]["wrong"].any(axis=0))
    }
    assert len(failed) > 100
    for kind in ("answers", "confusion", "group", "neighbors", "history"):
        assert set(said[kind]) == failed
    assert all(len(found) == 1 for kind in said if kind not in ("fact", "trend", "attribution")
               for found in said[kind].values())  # fmt: skip


def test_answers_confusions_and_groups(said: dict, arrays: dict, stored: StoredStudy) -> None:
    names, labels = stored.class_names, stored.test_labels
    for (name, image), (found,) in said["answers"].items():
        usual = usual_wrong(arrays, name, image)
        giving = arrays[name]["answers"][:, image] == usual
        given = arrays[name]["probabilities"][:, image]
        assert found["recipe"] == name
        assert (found["true"], found["predicted"]) == (names[labels[image]], names[usual])
        assert int(found["wrong"]) == arrays[name]["wrong"][:, image].sum()
        assert (int(found["agree"]), int(found["seeds"])) == (giving.sum(), NUM_SEEDS)
        assert float(found["sure"]) == pytest.approx(given[giving, usual].mean(), abs=0.00501)
        assert float(found["true_share"]) == pytest.approx(given[:, labels[image]].mean(), abs=0.00501)
        (confusion,) = said["confusion"][name, image]
        of_class = labels == labels[image]
        taken = (arrays[name]["answers"][:, of_class] == usual).sum() / NUM_SEEDS
        assert (confusion["predicted"], int(confusion["images"])) == (names[usual], of_class.sum())
        assert confusion["count"] == f"{taken:.1f}"
        assert confusion["share"] == f"{100 * taken / of_class.sum():.1f}"
        (group,) = said["group"][name, image]
        right = {other: NUM_SEEDS - int(arrays[other]["wrong"][:, image].sum()) for other in RECIPES}
        assert {other: int(group[other]) for other in RECIPES} == right
        # With 3 seeds the exact test of 0 against 3 gives 2 / 20, and luck is never ruled out.
        assert group["group"] == ("Wrong for every seed" if not any(right.values()) else "Runs disagree")
        if group["p"]:
            # Of two times three draws, as many ways as there are to be at least as unlike.
            ways = {0: 1.0, 1: 1.0, 2: 0.4, 3: 0.1}[abs(right["plain"] - right["normed"])]
            assert float(group["p"]) == pytest.approx(ways)


def test_facts_and_colors(said: dict, arrays: dict, stored: StoredStudy) -> None:
    labels, train_labels = stored.test_labels, stored.train_labels
    facts, train_facts = image_facts(stored.test_images), image_facts(stored.train_images)
    colors, train_colors = dominant_colors(stored.test_images), dominant_colors(stored.train_images)
    for name, image in said["answers"]:
        of_class = train_labels == labels[image]
        expected = {}
        for fact in FACTS:
            value, reference = facts[fact.name][image], train_facts[fact.name][of_class]
            below, above = (reference < value).mean(), (reference > value).mean()
            if max(below, above) >= 0.95:
                words = fact.higher if below > above else fact.lower
                share = int(np.floor(100 * max(below, above) + 1e-9))
                expected[fact.label] = {
                    "comparative": words[0].upper() + words[1:],
                    "share": "all" if max(below, above) == 1 else f"{share} % of the",
                    "reference": str(of_class.sum()),
                    "fact": fact.label,
                    "value": f"{value:.3g}",
                    "median": f"{np.median(reference):.3g}",
                }
        found = said["fact"].get((name, image), [])
        assert {one["fact"]: one for one in found} == expected
        alike = int((train_colors[of_class] == colors[image]).sum())
        rare = alike <= 0.05 * of_class.sum()
        assert said["color"].get((name, image)) == (
            [{"color": COLORS[colors[image]], "alike": str(alike), "reference": str(of_class.sum())}]
            if rare
            else None
        )


def test_trends(said: dict, arrays: dict, stored: StoredStudy) -> None:
    facts, labels = image_facts(stored.test_images), stored.test_labels
    count = len(labels)
    for (name, image), trends in said["trend"].items():
        error = arrays[name]["wrong"].mean(axis=0)
        for found in trends:
            (fact,) = (fact for fact in FACTS if found["quarter"] in (fact.lowest, fact.highest))
            values = facts[fact.name]
            ordered = np.sort(values)
            if found["quarter"] == fact.lowest:
                inside = values <= ordered[-(-count // 4) - 1]
            else:
                inside = values > ordered[-(-3 * count // 4) - 1]
            assert inside[image]
            assert found["inside"] == whole_percent(error[inside].mean())
            assert found["elsewhere"] == whole_percent(error[~inside].mean())
            design = np.column_stack([inside, np.eye(10)[labels]]).astype(float)
            slope = np.linalg.lstsq(design, error, rcond=None)[0][0]
            assert int(found["within"]) == round(100 * slope) > 0


def test_neighbors_and_their_history(said: dict, arrays: dict, data: dict, stored: StoredStudy) -> None:
    names, train_labels = stored.class_names, stored.train_labels
    shown = {
        (data["recipes"][case["recipe"]], data["images"]["index"][case["image"]]): [
            data["train"]["index"][near] for near in case["near"]
        ]
        for case in data["cases"]
    }
    assert data["train"]["label"] == train_labels[data["train"]["index"]].tolist()
    for name in RECIPES:
        cosine = np.zeros((len(stored.test_labels), len(train_labels)))
        learned, forgotten = [], []
        for run in arrays[name]["runs"]:
            test, train = (run[f"features.{split}"].astype(np.float64) for split in ("test", "train"))
            unit = [part / np.linalg.norm(part, axis=1, keepdims=True) for part in (test, train)]
            cosine += unit[0] @ unit[1].T / NUM_SEEDS
            known = run["predictions.train_true_probability"] > 0.5
            last_unknown = np.where(~known, np.arange(1, 6)[:, None], 0).max(axis=0)
            learned.append(np.where(last_unknown == 5, np.inf, last_unknown + 1))
            forgotten.append((known[:-1] & ~known[1:]).sum(axis=0))
        learned, forgotten = np.median(learned, axis=0), np.mean(forgotten, axis=0)
        for (recipe, image), (found,) in said["neighbors"].items():
            if recipe != name:
                continue
            near = shown[name, image]
            similarity = cosine[image, near]
            assert len(set(near)) == 10
            assert (np.diff(similarity) < 2e-6).all()
            assert similarity[-1] >= np.sort(cosine[image])[-10] - 2e-6
            counts = Counter(names[label] for label in train_labels[near].tolist())
            expected = {label: str(count) for label, count in counts.items()}
            true = names[stored.test_labels[image]]
            expected |= {} if true in counts else {true: "none"}
            a_name = "|".join(map(re.escape, names))
            part = rf"({a_name}) \((\d+|none)\)"
            assert re.fullmatch(rf"{part}(?:(?:, | and ){part})*", found["labels"])
            assert dict(re.findall(part, found["labels"])) == expected
            (history,) = said["history"][name, image]
            for which, epochs in (("here", learned[near]), ("all", learned)):
                median = np.median(epochs)
                assert history[which] == (f"{median:g}" if np.isfinite(median) else "not within 5")
            assert history["images"] == str(len(train_labels))
            assert history["forgotten"] == f"{forgotten[near].mean():.1f}"
            assert history["forgotten_all"] == f"{forgotten.mean():.1f}"


def test_label_doubts(said: dict, arrays: dict, stored: StoredStudy) -> None:
    labels, names = stored.test_labels, stored.class_names
    mean = np.mean([arrays[name]["probabilities"].mean(axis=0) for name in RECIPES], axis=0)
    flagged = np.flatnonzero(find_label_issues(labels, mean, filter_by="both", n_jobs=1))
    others = np.where(np.eye(10, dtype=bool)[labels], -1, mean)
    margin = mean[np.arange(len(labels)), labels] - others.max(axis=1)
    rank = {int(image): place for place, image in enumerate(flagged[np.argsort(margin[flagged])], start=1)}
    failed = {(name, image) for name in RECIPES for image in rank if arrays[name]["wrong"][:, image].any()}
    assert set(said["label doubt"]) == failed
    for (_, image), (found,) in said["label doubt"].items():
        assert (int(found["rank"]), int(found["doubts"])) == (rank[image], len(rank))
        assert found["label_share"] == f"{mean[image, labels[image]]:.2f}"
        assert found["suggested"] == names[others[image].argmax()]
        assert found["suggested_share"] == f"{others[image].max():.2f}"
        assert found["agreement"] == whole_percent((mean.argmax(axis=1) == labels).mean())


@pytest.fixture(scope="module")
def mean_maps(arrays: dict) -> dict[tuple[str, int], tuple[np.ndarray, int]]:
    """By recipe and image: the mean over the runs that give the usual wrong answer, and their number."""
    found = {}
    for name in RECIPES:
        for image in map(int, np.flatnonzero(arrays[name]["wrong"].any(axis=0))):
            usual, maps = usual_wrong(arrays, name, image), []
            for run, answers in zip(arrays[name]["runs"], arrays[name]["answers"], strict=True):
                if answers[image] == usual:
                    (row,) = np.flatnonzero(run["attributions.image_indices"] == image)
                    assert run["attributions.error"][row] <= 0.1
                    maps.append(run["attributions.maps"][row] * float(run["attributions.scale"][row]))
            found[name, image] = (np.mean(maps, axis=0), len(maps))
    return found


def half_and_border(cells: np.ndarray) -> tuple[float, float]:
    speaking_for = np.maximum(cells, 0)
    descending = np.sort(speaking_for.ravel())[::-1]
    half = (np.searchsorted(descending.cumsum(), descending.sum() / 2) + 1) / cells.size
    return half, 1 - speaking_for[2:14, 2:14].sum() / speaking_for.sum()


def test_attributions(said: dict, mean_maps: dict) -> None:
    measured = {key: (*half_and_border(cells), runs) for key, (cells, runs) in mean_maps.items()}
    for (name, image), (half, border, runs) in measured.items():
        alike = np.array([m[:2] for (other, _), m in measured.items() if other == name and m[2] == runs])
        expected = []
        if len(alike) >= 20 and (alike[:, 0] > half).mean() >= 0.95:
            expected.append((whole_percent(half), None, alike[:, 0]))
        if len(alike) >= 20 and (alike[:, 1] < border).mean() >= 0.95 and border > 112 / 256:
            expected.append((None, whole_percent(border), alike[:, 1]))
        found = said["attribution"].get((name, image), [])
        assert [(one["half"], one["border"]) for one in found] == [one[:2] for one in expected]
        for one, (_, _, usual) in zip(found, expected, strict=True):
            assert (int(one["runs"]), int(one["reference"])) == (runs, len(alike))
            assert one["median"] == whole_percent(np.median(usual))


def test_what_is_said_to_whom_cannot_see_the_maps(data: dict, mean_maps: dict) -> None:
    for case in data["cases"]:
        key = (data["recipes"][case["recipe"]], data["images"]["index"][case["image"]])
        cells, runs = mean_maps[key]
        half, border = half_and_border(cells)
        assert case["map"]["runs"] == runs
        assert case["map"]["half"] == pytest.approx(100 * half, abs=0.51)
        assert case["map"]["border"] == pytest.approx(100 * border, abs=0.51)
        down, across = np.unravel_index(cells.argmax(), cells.shape)
        words = case["map"]["strongest"].split()
        assert ("left" in words, "right" in words) == (across < 5.5, across >= 10.5)
        assert bool({"top", "upper"} & {*words}) == (down < 5.5)
        assert bool({"bottom", "lower"} & {*words}) == (down >= 10.5)


def sheet(page_text: str, name: str) -> Image.Image:
    packed = re.search(
        rf'\.sprite\.{name} {{ background-image: url\("data:image/\w+;base64,([^"]+)', page_text
    )
    return Image.open(io.BytesIO(base64.b64decode(packed[1])))


def test_the_sheet_of_maps_holds_the_mean_maps_in_orange_and_blue(
    data: dict, mean_maps: dict, page_text: str
) -> None:
    with sheet(page_text, "maps") as image:
        pixels = np.asarray(image.convert("RGBA")).astype(float)
    for case in data["cases"]:
        cells, _ = mean_maps[data["recipes"][case["recipe"]], data["images"]["index"][case["image"]]]
        row, column = divmod(case["map"]["place"], data["sheets"]["maps"]["columns"])
        tile = pixels[16 * row : 16 * row + 16, 16 * column : 16 * column + 16]
        strength = tile[..., 3] / 225 * np.where(tile[..., 0] > tile[..., 2], 1, -1)
        np.testing.assert_allclose(strength, cells / np.abs(cells).max(), atol=0.04)


def test_the_sheet_of_training_images_holds_the_nearest(
    data: dict, stored: StoredStudy, page_text: str
) -> None:
    with sheet(page_text, "train") as image:
        pixels = np.asarray(image).astype(float)
    columns = data["sheets"]["train"]["columns"]
    for place, index in enumerate(data["train"]["index"]):
        row, column = divmod(place, columns)
        tile = pixels[32 * row : 32 * row + 32, 32 * column : 32 * column + 32]
        assert np.abs(tile - stored.train_images[index]).mean() < 12
