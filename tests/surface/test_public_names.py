"""What `import bakeoff` offers."""

import inspect
from collections.abc import Callable

import pytest
from tests.surface.frozen import check_frozen

import bakeoff

PACKAGE = [
    "BakeoffError",
    "ComparisonResult",
    "ImageArrays(train, val=None, test=None, class_names=None)",
    "Recipe",
    "Result",
    "RunsFailedError",
    "Study",
    "builtin_studies()",
    "compare(labels, predictions, *, groups=None, class_names=None, metric='accuracy', baseline=None, "
    "margin=0.01, confidence=0.95)",
    "load_study(name_or_path, *, overrides=(), source=None, seeds=None, until=None, max_seeds=None, "
    "epochs=None, recipes=None, metric=None, trials=None)",
    "open_result(path, *, metric=None)",
    "own_metric(function, *, name=None, higher_is_better=True, bounds=None)",
    "run(study, path=None, *, data=None, until=None, max_seeds=None, metric=None, jobs=None, device='cpu', "
    "engine='processes', address=None, progress=True, check=True, wait=False)",
]

RESULT = [
    "class_names",
    "compare(metric)",
    "comparison",
    "confusion(recipe)",
    "figures",
    "history",
    "learning_curve",
    "model(recipe, seed=0, *, trust=False)",
    "pairs",
    "path",
    "predictions",
    "probabilities(recipe)",
    "paper(folder)",
    "report(folder=None)",
    "runs",
    "stored",
    "study",
    "summary",
    "tests",
    "test_labels",
]

COMPARISON_RESULT = [
    "class_names",
    "compare(metric)",
    "comparison",
    "figures",
    "pairs",
    "predictions",
    "probabilities(recipe)",
    "report(folder)",
    "test_labels",
]


def with_parameters(function: Callable[..., object]) -> str:
    """A name with its parameters and their defaults, without types."""
    signature = inspect.signature(function)
    plain = [each.replace(annotation=inspect.Parameter.empty) for each in signature.parameters.values()]
    return f"{function.__name__}{inspect.Signature(plain)}"


def test_names_of_the_package():
    found = []
    for name in bakeoff.__all__:
        public = getattr(bakeoff, name)
        with_call = inspect.isfunction(public) or name == "ImageArrays"
        found.append(with_parameters(public) if with_call else name)
    check_frozen("What the package offers", found, PACKAGE)


@pytest.mark.parametrize("kind", ["Result", "ComparisonResult"])
def test_names_of_a_result(study, kind):
    result = bakeoff.open_result(study) if kind == "Result" else bakeoff.compare(["a"], {"plain": ["a"]})
    found = []
    for name in dir(result):
        if not name.startswith("_"):
            is_method = inspect.isfunction(getattr(type(result), name, None))
            found.append(with_parameters(getattr(result, name)) if is_method else name)
    check_frozen(f"What a {kind} offers", found, RESULT if kind == "Result" else COMPARISON_RESULT)
