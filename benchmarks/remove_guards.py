"""Removes each guard against faults and hostile input in a copy of the project, and sees its test fail.

    python benchmarks/remove_guards.py [--only WORD] > guards.md

A guard whose test still passes is not tested; a guard or test that is no longer in the code stops the run. At
the end every test has to pass with its guard in place.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent


class Guard(NamedTuple):
    item: str
    file: str
    guard: str
    without: str
    test: str


LOOP, RESUMING = "training/loop.py", "training/resuming.py"
RESUME_TEST = "training/test_resuming.py::"
STORE_TEST, DISKS = "store/test_store.py::", "system/test_faulty_disks.py::"
COMMANDS, OTHER = "system/test_command_line.py::", "system/test_other_results.py::"
RESULTS, SOURCES = "hostile/test_result_files.py::", "hostile/test_image_sources.py::"
STUDIES, FETCHING = "hostile/test_study_files.py::", "hostile/test_fetching.py::"
AUDIT, BUILDING, CACHE = "audit/test_audit.py::", "report/test_building.py::", "data/test_cache.py::"
GOING_ON = f"{RESUME_TEST}test_going_on_after_any_epoch_gives_the_same_bytes"
MISFIT = f"{RESUME_TEST}test_a_whole_state_that_does_not_fit_starts_the_run_anew"
PLAN, NO_PLAN = "kernels/plan.py", "kernels/test_plan.py::test_no_plan_for"
FINDINGS = f"{AUDIT}test_findings_are_ordered_by_severity_and_say_where"

GUARDS = [
    # Resume, to the byte
    Guard("optimizer resumed", LOOP, "parts.optimizer.load_state_dict(state.optimizer)", "pass", GOING_ON),
    Guard("weights resumed", LOOP, "parts.model.load_state_dict(state.model)", "pass", GOING_ON),
    Guard(
        "state kept at all",
        RESUMING,
        "store.save(state().to_bytes(), record.epoch, record.val_accuracy)",
        "None",
        GOING_ON,
    ),
    Guard(
        "layers' randomness resumed",
        LOOP,
        "torch.default_generator.manual_seed(torch_seed(parts.seed, Stream.LAYERS, epoch))",
        "pass",
        f"{RESUME_TEST}test_a_models_own_randomness_goes_on_too",
    ),
    Guard(
        "share of time for states",
        RESUMING,
        "MIN_SECONDS_BETWEEN, self.last_cost / SHARE_OF_TIME",
        "0.0, 0.0",
        f"{RESUME_TEST}test_saving_keeps_to_its_share_of_the_time",
    ),
    Guard("foreign state", LOOP, "state.check_fits(", "(lambda *parts: None)(", MISFIT),
    Guard(
        "damaged state",
        LOOP,
        "    except ValueError:\n        return None  # damaged",
        "    except ZeroDivisionError:\n        return None  # damaged",
        f"{RESUME_TEST}test_a_damaged_state_is_passed_over",
    ),
    Guard(
        "flipped bit in a state",
        "store/unfinished.py",
        ' and header.get("digest") == _digest(state)',
        "",
        f"{RESULTS}test_a_flipped_bit_in_a_resume_state_is_noticed",
    ),
    Guard(
        "state of another identity",
        "store/unfinished.py",
        'header.get("identity") == self.identity and ',
        "",
        f"{RESULTS}test_the_state_of_a_run_of_another_identity_is_never_given",
    ),
    # Steps by a plan
    Guard(
        "logits kept from the next batch",
        "training/passes.py",
        ".forward(images_NCHW).clone()",
        ".forward(images_NCHW)",
        "training/test_passes.py::test_logits_of_one_batch_stay_when_the_next_comes",
    ),
    Guard(
        "batches of another layout",
        "training/passes.py",
        "plan is None or not plan.fits(images_NCHW)",
        "plan is None",
        "training/test_passes.py::test_batches_of_another_shape_or_layout_are_taken",
    ),
    Guard("parameters shared by layers", PLAN, "if len({id(one)", "if 0 * len({id(one)", NO_PLAN),
    Guard("hooks on a planned model", PLAN, "if is_watched(model) or ", "if ", NO_PLAN),
    Guard("a model's own forward", PLAN, "if type(model).forward is not", "if None is not", NO_PLAN),
    Guard("a plan of a copied batch", PLAN, "if plan.reads_its_inputs", "if True", NO_PLAN),
    Guard("frozen parameters", PLAN, "all(one.requires_grad for one in parameters)", "True", NO_PLAN),
    # Workers and locks
    Guard(
        "dead worker's run tried again",
        "engines/processes.py",
        "MAX_DEATHS = 3",
        "MAX_DEATHS = 1",
        f"{COMMANDS}test_a_worker_that_is_killed_costs_only_the_time_since_its_last_state",
    ),
    Guard(
        "given up after three",
        "engines/processes.py",
        "MAX_DEATHS = 3",
        "MAX_DEATHS = 5",
        f"{COMMANDS}test_a_run_of_which_three_workers_died_is_given_up_and_the_rest_goes_on",
    ),
    Guard(
        "exit code 1",
        "cli.py",
        "    if outcome.failed:\n        raise typer.Exit(EXIT_FAILED_RUNS)\n",
        "",
        f"{COMMANDS}test_a_run_whose_loss_is_not_finite_fails_alone",
    ),
    Guard(
        "one writer a folder",
        "store/locking.py",
        "lock.acquire(timeout=0)",
        "pass",
        f"{COMMANDS}test_a_second_run_in_the_same_folder_says_who_holds_it_or_waits",
    ),
    Guard(
        "lock of a dead process",
        "store/locking.py",
        "from filelock import FileLock, Timeout",
        "from filelock import SoftFileLock as FileLock, Timeout",
        f"{COMMANDS}test_a_lock_left_by_a_killed_driver_is_taken_over",
    ),
    Guard(
        "reasons in the status",
        "store/reading.py",
        '.get("reason", "unknown")',
        '.get("", "unknown")',
        f"{DISKS}test_the_state_of_a_run_that_finds_no_room",
    ),
    # Disks
    Guard(
        "full disk",
        "store/atomic.py",
        "    except OSError as error:",
        "    except ZeroDivisionError as error:",
        f"{DISKS}test_a_report_that_finds_no_room",
    ),
    Guard(
        "full disk under TensorBoard",
        "training/tensorboard.py",
        "        except OSError as error:\n            raise",
        "        except ZeroDivisionError as error:\n            raise",
        f"{DISKS}test_a_disk_that_fills_up_while_a_study_runs",
    ),
    Guard(
        "full disk under the lock",
        "store/locking.py",
        "        with suppress(OSError):  # a courtesy",
        "        with suppress(ZeroDivisionError):  # a courtesy",
        f"{DISKS}test_a_disk_that_is_full_from_the_start",
    ),
    Guard(
        "stopped between the first two files",
        "store/writing.py",
        "(layout.study.exists() and layout.data.exists()) or",
        "layout.study.exists() or layout.data.exists() or",
        f"{DISKS}test_a_disk_that_is_full_from_the_start",
    ),
    Guard(
        "full disk under a memory map",
        "data/cache.py",
        "os.posix_fallocate(file.fileno(), 0, path.stat().st_size)",
        "pass",
        f"{DISKS}test_decoded_images_that_find_no_room",
    ),
    Guard(
        "read-only disk",
        "store/atomic.py",
        "with suppress(OSError):",
        "with suppress(FileNotFoundError):",
        f"{DISKS}test_a_read_only_disk_is_read_and_not_written",
    ),
    Guard(
        "results deleted",
        "running.py",
        '!= "finished":',
        '== "":',
        f"{DISKS}test_the_results_of_a_run_deleted_while_another_goes_on",
    ),
    Guard(
        "study folder deleted",
        "running.py",
        "        check_still_there(layout)\n",
        "",
        f"{DISKS}test_a_study_folder_deleted_while_it_is_written",
    ),
    Guard(
        "decoded images deleted",
        "engines/worker.py",
        "        while True:\n            task: Task",
        "        _open_images(job.data_directory)\n        while True:\n            task: Task",
        f"{DISKS}test_decoded_images_deleted_under_a_study",
    ),
    Guard(
        "no half-written file",
        "store/atomic.py",
        'path.with_name(f".{path.name}.{os.getpid()}.tmp")',
        "path",
        f"{STORE_TEST}test_a_write_that_fails_leaves_the_old_file_and_no_other",
    ),
    # Results that do not belong together
    Guard(
        "other settings",
        "store/writing.py",
        "if before.get(key) != now.get(key)",
        "if False",
        f"{STORE_TEST}test_a_folder_with_runs_of_other_settings_is_refused_with_the_difference",
    ),
    Guard(
        "other data",
        "store/writing.py",
        'if stored_data["fingerprint"] != data.fingerprint:',
        "if False:",
        f"{OTHER}test_runs_on_other_images_are_not_continued",
    ),
    Guard(
        "other training code",
        "running.py",
        "    if outdated:",
        "    if False:",
        f"{OTHER}test_runs_of_another_version_of_the_training_code_are_not_continued",
    ),
    Guard(
        "other model file",
        "running.py",
        "model_source=digests[name]",
        'model_source=""',
        f"{OTHER}test_runs_of_a_model_whose_file_has_changed_are_not_continued",
    ),
    # Data that lies
    Guard(
        "identical images",
        "audit/identical.py",
        "numbers.setdefault(hashlib",
        "len(numbers) + numbers.setdefault(hashlib",
        FINDINGS,
    ),
    Guard(
        "near duplicates", "audit/near_duplicates.py", "MAX_DISTANCE = 0.15", "MAX_DISTANCE = -1.0", FINDINGS
    ),
    Guard(
        "one image under two labels", "audit/repeats.py", "findings += _conflicts(images)", "pass", FINDINGS
    ),
    Guard(
        "missing classes",
        "audit/contents.py",
        "if missing:",
        "if False:",
        f"{AUDIT}test_missing_and_unequal_classes",
    ),
    Guard(
        "unequal classes",
        "audit/contents.py",
        "if ratio > IMBALANCE:",
        "if False:",
        f"{AUDIT}test_missing_and_unequal_classes",
    ),
    Guard(
        "uniform images",
        "audit/contents.py",
        "NEARLY_UNIFORM = 3.0",
        "NEARLY_UNIFORM = 0.0",
        f"{AUDIT}test_uniform_images_are_found_and_not_taken_for_near_duplicates",
    ),
    Guard(
        "odd shapes",
        "audit/sizes.py",
        "ODD_SHAPE = 3.0",
        "ODD_SHAPE = 1e9",
        f"{AUDIT}test_images_of_odd_shapes_and_sizes_are_named_the_oddest_first",
    ),
    Guard(
        "odd sizes",
        "audit/sizes.py",
        "ODD_SIZE = 4.0",
        "ODD_SIZE = 1e9",
        f"{AUDIT}test_images_of_odd_shapes_and_sizes_are_named_the_oddest_first",
    ),
    Guard(
        "unreadable images",
        "data/decoding.py",
        "refuse_bad_images([problems[index] for index in sorted(problems)])",
        "pass",
        f"{SOURCES}test_what_is_no_plain_file_is_refused_and_not_waited_for",
    ),
    Guard(
        "header lines",
        "audit/split_files.py",
        "elif not first_line_is_header:",
        "elif False:",
        "audit/test_split_files.py::test_a_header_is_found",
    ),
    Guard(
        "readers that eat a header",
        "audit/split_files.py",
        "    if without:",
        "    if False:",
        "audit/test_split_files.py::test_what_a_header_eating_reader_would_lose_is_told",
    ),
    Guard(
        "check before a study",
        "running.py",
        "if check and stored_audit",
        "if False and stored_audit",
        f"{OTHER}test_images_are_checked_before_a_study_unless_told_not_to",
    ),
    Guard(
        "--no-check",
        "running.py",
        "if check and stored_audit",
        "if stored_audit",
        f"{OTHER}test_images_are_checked_before_a_study_unless_told_not_to",
    ),
    Guard(
        "leaks at the top of the report",
        "report/templates/head.html.j2",
        "{% if leaks %}",
        "{% if false %}",
        f"{BUILDING}test_leaks_are_told_at_the_top_with_their_pairs",
    ),
    # Input as an attacker would write it
    Guard(
        "image bombs",
        "data/decoding.py",
        "            _refuse_bomb(image)\n",
        "",
        "data/test_decoding.py::test_a_decompression_bomb_is_an_error",
    ),
    Guard(
        "PostScript",
        "data/decoding.py",
        "formats=_formats()",
        "formats=None",
        f"{SOURCES}test_postscript_is_never_interpreted",
    ),
    Guard(
        "pipes and devices",
        "data/loading.py",
        "if not stat.S_ISREG(found.st_mode):",
        "if False:",
        f"{SOURCES}test_what_is_no_plain_file_is_refused_and_not_waited_for",
    ),
    Guard(
        "paths out of a source",
        "data/split_files.py",
        'row.path.startswith("../")',
        "False",
        f"{SOURCES}test_a_hostile_line_of_a_split_file_is_refused",
    ),
    Guard(
        "members that escape, links",
        "data/fetching.py",
        'if name in missing and entry.name == f"{archive.folder}/{name}" and entry.isreg():',
        "if name in missing:",
        f"{FETCHING}test_members_that_want_to_be_elsewhere_are_not_written",
    ),
    Guard(
        "a server that never ends",
        "data/fetching.py",
        "if have > max_bytes:",
        "if have > 100 * max_bytes:",
        f"{FETCHING}test_a_server_that_never_ends_does_not_fill_the_disk",
    ),
    Guard(
        "a connection cut off",
        "data/fetching.py",
        "if total is not None and have < total:",
        "if False:",
        "data/test_fetching.py::test_a_connection_that_breaks_off_is_taken_up_where_it_stopped",
    ),
    Guard(
        "a server that lies about length",
        "data/fetching.py",
        're.fullmatch("[0-9]{1,15}", length)',
        "True",
        f"{FETCHING}test_a_length_that_is_none_is_passed_over",
    ),
    Guard(
        "redirects",
        "data/fetching.py",
        'redirected.type not in ("https", req.type)',
        "False",
        f"{FETCHING}test_a_redirection_away_from_the_web_is_not_followed",
    ),
    Guard(
        "wrong content",
        "data/fetching.py",
        "if found != archive.md5:",
        "if False:",
        "data/test_fetching.py::test_wrong_content_is_refused_and_removed",
    ),
    Guard(
        "names that act on a terminal",
        "errors.py",
        'character == "\\n" or _is_harmless(character)',
        "True",
        "hostile/test_printable.py::test_nothing_that_acts_is_left",
    ),
    Guard(
        "markup in names",
        "report/page.py",
        "autoescape=True",
        "autoescape=False",
        f"{BUILDING}test_names_and_reasons_with_markup_are_text",
    ),
    Guard(
        "a million recipes",
        "study/parsing.py",
        "len(recipes) > MAX_RECIPES",
        "False",
        f"{STUDIES}test_a_hostile_study_file_is_refused_soon",
    ),
    Guard(
        "pickled arrays",
        "store/arrays.py",
        "np.load(file, allow_pickle=False)",
        "np.load(file, allow_pickle=True)",
        f"{RESULTS}test_objects_are_never_unpickled",
    ),
    Guard(
        "pickled states",
        RESUMING,
        "weights_only=True",
        "weights_only=False",
        f"{RESUME_TEST}test_a_state_with_pickled_code_is_not_run",
    ),
    Guard(
        "zip bombs",
        "store/arrays.py",
        "if total > MAX_BYTES:",
        "if False:",
        f"{RESULTS}test_a_zip_bomb_is_not_unpacked",
    ),
    Guard(
        "formulas in CSV",
        "report/csv_text.py",
        "isinstance(cell, str) and cell.startswith(FORMULA_STARTS)",
        "False",
        f"{BUILDING}test_formulas_in_csv_are_harmless",
    ),
    Guard(
        "a forged list of files to remove",
        "store/stale.py",
        " and REPORT_FILE.fullmatch(name)",
        "",
        f"{BUILDING}test_a_list_of_files_by_somebody_else_deletes_nothing",
    ),
    # The cache
    Guard(
        "entries in use stay",
        "data/cache.py",
        "        os.utime(directory / META",
        "        (directory / META",
        f"{CACHE}test_an_entry_in_use_stays_however_old",
    ),
    Guard(
        "entries of an earlier version",
        "data/cache.py",
        'if meta["format_version"] != FORMAT_VERSION:',
        "if False:",
        f"{CACHE}test_an_entry_of_an_earlier_version_is_rebuilt",
    ),
]


def passes(copy: Path, test: str) -> tuple[bool, str]:
    """Whether a test passes in a copy, and the last line that pytest wrote."""
    environment = {**os.environ, "PYTHONPATH": str(copy / "src"), "BAKEOFF_STL10": stl10()}
    # In one process: of several, one that stops at a failure ends with 2, as for a test that is not there.
    words = [sys.executable, "-m", "pytest", "-q", "-x", "-n", "0", "-m", "", "-p", "no:cacheprovider"]
    words.append(f"tests/{test}")
    done = subprocess.run(words, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):  # no such test, or the copy cannot be imported
        sys.exit(f"{test}: pytest ended with {done.returncode}:\n{done.stdout[-3000:]}")
    return done.returncode == 0, (done.stdout.strip().splitlines() or [""])[-1]


def stl10() -> str:
    return os.environ.get("BAKEOFF_STL10", str(ROOT.parent / "shared/data/stl10"))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="only the guards whose name or test has this word")
    parser.add_argument("--check", action="store_true", help="only see that each guard and test is there")
    options = parser.parse_args()
    chosen = [guard for guard in GUARDS if options.only in guard.item or options.only in guard.test]
    for guard in chosen:
        text = (ROOT / "src/bakeoff" / guard.file).read_text("utf-8")
        if guard.guard not in text:
            sys.exit(f"{guard.item}: {guard.guard!r} is not in {guard.file}")
        file, _, name = guard.test.partition("::")
        if f"def {name}(" not in (ROOT / "tests" / file).read_text("utf-8"):
            sys.exit(f"{guard.item}: no test {guard.test}")
    if options.check:
        return
    survivors = []
    print("| guard | in | test that fails without it | seconds |\n| --- | --- | --- | ---: |")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".git", "__pycache__", ".*_cache"))
        for guard in chosen:
            path = copy / "src/bakeoff" / guard.file
            whole = path.read_text("utf-8")
            path.write_text(whole.replace(guard.guard, guard.without, 1), "utf-8")
            started = time.monotonic()
            passed, _ = passes(copy, guard.test)
            path.write_text(whole, "utf-8")
            seconds = time.monotonic() - started
            verdict = f"NONE: {guard.test} passes" if passed else f"`{guard.test}`"
            print(f"| {guard.item} | `{guard.file}` | {verdict} | {seconds:.0f} |", flush=True)
            survivors += [guard.item] if passed else []
        for test in sorted({guard.test for guard in chosen}):
            passed, last = passes(copy, test)
            if not passed:
                sys.exit(f"{test} fails with its guards in place, so it shows nothing: {last}")
    print(f"\n{len(chosen)} guards, {len(survivors)} of them without a test that fails", file=sys.stderr)
    sys.exit(bool(survivors))


if __name__ == "__main__":
    main()
