"""The test tree mirrors the package: tests/a/b/test_c.py for src/bakeoff/a/b/c.py. Exceptions stand here."""

from pathlib import Path

TESTS = Path(__file__).parent
PACKAGE = TESTS.parent / "src" / "bakeoff"

WITHOUT_BEHAVIOR = {
    "__main__.py",  # calls cli.main()
    "data/image_data.py",  # records
    "engines/engine.py",  # a protocol and the events that engines give
    "errors.py",  # one exception with a parameter
    "study/settings/augmentation.py",  # fields with their documentation
    "study/settings/base.py",  # configuration of pydantic
    "study/settings/data.py",  # fields with their documentation
    "study/settings/tables.py",  # tables of names
    "study/settings/trainer.py",  # fields with their documentation
    "training/records.py",  # records and a protocol
}

TESTED_AS_A_WHOLE = {
    "analysis/comparison/of_study.py": "system/test_until_decided.py",
    "analysis/failures/evidence.py": "report/test_texts_of_failed_cases.py",
    "cli/app.py": "system/test_command_line.py",
    "cli/arguments.py": "system/test_command_line.py",
    "cli/data.py": "system/test_command_line.py",
    "cli/entry_point.py": "system/test_command_line.py",
    "cli/group.py": "system/test_command_line.py",
    "cli/own_code.py": "system/test_command_line.py",
    "cli/passing_on.py": "system/test_command_line.py",
    "cli/predictions.py": "system/test_command_line.py",
    "cli/printing.py": "system/test_command_line.py",
    "cli/run.py": "system/test_command_line.py",
    "cli/study_files.py": "system/test_command_line.py",
    "cli/study_folders.py": "system/test_command_line.py",
    "report/figures/comparison.py": "report/test_build.py",
    "report/figures/drawing.py": "report/test_build.py",
    "result.py": "test_api.py",
    "running/run_study.py": "system/test_command_line.py",
    "training/parts/model.py": "training/test_loop.py",
    "kernels/compile.py": "kernels/test_installing.py",
    "kernels/convolutions.py": "kernels/test_agreement.py",
    "kernels/library.py": "kernels/test_choosing.py",
    "kernels/matching.py": "kernels/test_choosing.py",
    "kernels/recording/changes.py": "kernels/recording/test_capture.py",
    "kernels/recording/hooks.py": "kernels/recording/test_capture.py",
    "kernels/recording/not_captured.py": "kernels/recording/test_capture.py",
    "kernels/recording/tracing.py": "kernels/recording/test_capture.py",
    "kernels/operation.py": "kernels/test_ordinary_pytorch.py",
    "kernels/sequential.py": "kernels/test_chain.py",
}
"""What makes sense only together with the rest: the test file that reaches it."""

OF_THE_WHOLE = {"surface", "system", "hostile", "faults", "fuzz", "golden", "benchmarks"}
"""Folders of tests that have no file of the package as their subject."""

OF_SEVERAL_FILES = {
    "analysis/statistics/test_docs_of_statistics.py",  # the worked examples of docs/statistics
    "kernels/test_agreement.py",  # each kernel against PyTorch
    "kernels/test_choosing.py",  # which library and which layers are chosen
    "kernels/test_installing.py",  # kernels built with the package
    "kernels/test_memory_and_threads.py",
    "kernels/test_ordinary_pytorch.py",  # what PyTorch does with any operation
    "kernels/test_refused_memory.py",
    "kernels/test_sanitizers.py",
    "kernels/test_standardise.py",
    "report/test_page_in_browser.py",
    "report/test_size_of_page.py",
    "report/test_texts_of_failed_cases.py",
    "test_docs.py",
    "test_examples.py",
    "test_mirror.py",
}


def test_each_source_file_has_its_test_file() -> None:
    sources = {
        path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py") if path.name != "__init__.py"
    }
    missing = {source for source in sources if not (TESTS / source).with_name(_test_name(source)).exists()}
    assert missing == WITHOUT_BEHAVIOR | TESTED_AS_A_WHOLE.keys()
    assert {path for path in TESTED_AS_A_WHOLE.values() if not (TESTS / path).exists()} == set()


def test_each_test_file_has_its_source_file() -> None:
    tests = {path.relative_to(TESTS) for path in TESTS.rglob("test_*.py")}
    without = {
        path.as_posix()
        for path in tests
        if path.parts[0] not in OF_THE_WHOLE
        and not (PACKAGE / path).with_name(path.name.removeprefix("test_")).exists()
    }
    assert without == OF_SEVERAL_FILES


def test_the_picture_of_the_packages_has_each_of_them() -> None:
    picture = (TESTS.parent / "docs/images/rooms.svg").read_text("utf-8")
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert {name for name in packages if name not in picture} == set()


def _test_name(source: str) -> str:
    return f"test_{Path(source).name}"
