"""How help shows commands."""

from __future__ import annotations

from typing import Any

from typer.core import TyperArgument, TyperGroup, TyperOption


class Group(TyperGroup):
    """Commands whose help says what an argument or a switch is for, not its type in Python."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of this name, whose arguments and switches show no type."""
        command = super().get_command(ctx, cmd_name)
        _hide_types(command.get_params(ctx) if command else [])
        return command

    def get_params(self, ctx: Any) -> Any:
        """The options before a command, likewise."""
        return _hide_types(super().get_params(ctx))


def _hide_types(parameters: list[Any]) -> list[Any]:
    for parameter in parameters:
        if isinstance(parameter, TyperArgument):
            parameter.display_type_rich = lambda ctx: None  # type: ignore[method-assign]
        elif isinstance(parameter, TyperOption) and parameter.is_flag:
            parameter.metavar = ""
    return parameters
