"""The command line: `nodeflow edit | run | check | plan | nodes | models | new | diff | merge`.

One file a group of commands; `app.py` names them and says failures, `command.py` reads their arguments. A command
imports what it needs when it runs, so that `nodeflow --help` is there at once and only `run` pays for torch.

Exit status: 0 done; 1 a node failed; 2 the command was used wrongly; 3 a graph was refused; 4 a node pack failed;
5 a model or scheduler was refused; 6 a picture or output was refused; 130 stopped by Ctrl-C.
"""

from __future__ import annotations


def main() -> None:
    """The `nodeflow` command."""
    from .app import run_app

    run_app()
