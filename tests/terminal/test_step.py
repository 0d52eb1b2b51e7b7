import io
import subprocess
import sys

from rich.console import Console

from bakeoff.terminal.step import StepBar


def console(*, is_terminal):
    return Console(file=io.StringIO(), force_terminal=is_terminal, width=60)


def test_a_terminal_shows_the_step_and_keeps_nothing_of_it():
    terminal = console(is_terminal=True)
    with StepBar(terminal) as bar:
        bar.show("checking images", 1, 3)
        bar.show("decoding images", 2, 3)
        bar.progress.refresh()
    output = terminal.file.getvalue()
    assert "decoding images" in output
    assert "2/3" in output
    assert output.endswith("\x1b[2K")  # the line is erased


def test_a_pipe_gets_no_bar():
    pipe = console(is_terminal=False)
    with StepBar(pipe) as bar:
        bar.show("decoding images", 2, 3)
    assert pipe.file.getvalue() == ""


def test_data_info_loads_neither_pytorch_nor_scipy(photographs):
    words = ["data", "info", f"splits:{photographs}"]
    code = (
        f"import sys; sys.argv[1:] = {words!r}\nfrom bakeoff.cli import main\ntry:\n    main()\n"
        "finally:\n    print(*{'torch', 'scipy', 'sklearn', 'matplotlib'} & {*sys.modules}, sep='!')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("to find them\n\n")
