"""What the command line takes."""

from collections.abc import Iterator

import pytest
from tests.surface.frozen import check_frozen
from typer.main import get_command
from typer.testing import CliRunner

from bakeoff.cli import app

# `[...]` may be left out, `=` takes a value, `=VALUE` has this default, `=...` can be given repeatedly.
COMMANDS = {
    "bakeoff": "--version --install-completion --show-completion",
    "bakeoff run": "[STUDY=quickstart] --data= --recipes= --seeds= --until= --max-seeds= --epochs= --trials= "
    "--set=... "
    "--metric= --out= --jobs= --device=cpu --engine=processes --address= --wait --check/--no-check --open",
    "bakeoff studies": "",
    "bakeoff show": "STUDY --set=...",
    "bakeoff schema": "",
    "bakeoff init": "[DIR=.]",
    "bakeoff report": "STUDY_DIR --metric= --open",
    "bakeoff status": "STUDY_DIR",
    "bakeoff verify": "STUDY_DIR",
    "bakeoff compare": "FILE... --baseline= --metric= --margin=0.01 --confidence=0.95 --json= --report=",
    "bakeoff predict": "STUDY_DIR IMAGE_OR_DIR... --recipe= --seed=... --csv= --json= --trust",
    "bakeoff evaluate": "STUDY_DIR SOURCE --metric= --set=... --json= --report= --trust",
    "bakeoff export": "STUDY_DIR DIR --recipe= --seed= --ensemble --license= --trust",
    "bakeoff paper": "STUDY_DIR DIR --metric=",
    "bakeoff log": "STUDY_DIR --to= --at= --metric=",
    "bakeoff data": "",
    "bakeoff data info": "SOURCE --set=...",
    "bakeoff data check": "SOURCE --list= --set=...",
    "bakeoff data fetch": "NAME DIR",
}


def spell(parameter) -> str:
    """One argument or option as it stands in the list above."""
    if parameter.param_type_name == "argument":
        text = parameter.metavar or parameter.name.upper()
        if parameter.required:
            return text
        return f"[{text}]" if parameter.default is None else f"[{text}={parameter.default}]"
    text = ",".join(parameter.opts) + "".join(f"/{name}" for name in parameter.secondary_opts)
    if parameter.is_flag:
        return text
    if parameter.multiple:
        return f"{text}=..."
    return f"{text}=" if parameter.default is None else f"{text}={parameter.default}"


def commands(group, name: str = "bakeoff") -> Iterator[str]:
    """A command alone and with each of its arguments and options, then the commands below it."""
    yield name
    for parameter in group.params:
        yield f"{name} {spell(parameter)}"
    for below, command in getattr(group, "commands", {}).items():
        yield from commands(command, f"{name} {below}")


def test_commands_with_their_arguments_and_options():
    expected = []
    for name, text in COMMANDS.items():
        expected += [name, *(f"{name} {word}" for word in text.split())]
    check_frozen("The command line", commands(get_command(app)), expected)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("columns", [60, 100])
def test_help_shows_no_types_of_python(command, columns):
    words = [*command.split()[1:], "--help"]
    result = CliRunner().invoke(app, words, env={"COLUMNS": str(columns)}, terminal_width=columns)
    assert result.exit_code == 0
    assert "--help" in result.output
    for name in ("<bool>", "<str>", "<path>", "<list", "<int", "<float"):
        assert name not in result.output
