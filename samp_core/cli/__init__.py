"""The command line, one file a command. A command is imported when it is called, so that help comes at once."""

from __future__ import annotations

import argparse
import gc
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from samp_core.catalogue import METHODS, RULES, left_out_in_words
from samp_core.process import sleep_when_idle
from samp_core.version import __version__

COMMANDS = {
    "explain": "explain one image and write map, figure and settings",
    "compare": "explain one image by several methods and write figure, table, maps and report",
    "open": "print what a file of runs holds",
    "replay": "do the runs of a file again and say how far they agree",
    "film": "walk several methods on one clock, as a page that plays offline or a moving picture",
    "figure": "draw several methods' paths and maps as a figure for a paper",
    "tune": "sweep one or two knobs of a method and weigh what they give",
    "benchmark": "measure many methods on many photos, into a file that survives a kill",
}


class Parser(argparse.ArgumentParser):
    """A parser that points to its help, and that is filled by its command's file when it is first needed."""

    command = ""

    def error(self, message: str) -> NoReturn:
        """End with one sentence and where there is more."""
        self.exit(2, f"{self.prog}: {message}\nTry '{self.prog} --help'.\n")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse, after the command has said what it takes."""
        if self.command:
            command, self.command = self.command, ""
            importlib.import_module(f"samp_core.cli.{command}").fill(self)
            self.epilog = f"{self.epilog}\n{left_out_in_words(METHODS, RULES)}".rstrip()
        return super().parse_known_args(args, namespace)


def program() -> str:
    """Return what the command line is called as."""
    return "samp" if Path(sys.argv[0]).stem == "samp" else "python -m samp_core"


def _parser() -> Parser:
    left_out = left_out_in_words(METHODS)
    parser = Parser(
        prog=program(),
        description="Explain what an image classifier saw, along a path that is searched for (SAMP, ICLR 2024).",
        epilog=f"Methods: {', '.join(METHODS)}.\n{left_out}",
        formatter_class=argparse.RawDescriptionHelpFormatter if left_out else argparse.HelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"samp_core {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=Parser)
    for name, words in COMMANDS.items():
        commands.add_parser(name, help=words, formatter_class=argparse.RawDescriptionHelpFormatter).command = name
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status: 0 done, 1 failed, 2 wrong arguments, 130 interrupted."""
    sleep_when_idle()
    parsed = _parser().parse_args(arguments)
    command = importlib.import_module(f"samp_core.cli.{parsed.command}")
    shared = importlib.import_module("samp_core.cli.shared")
    shared.keep_freed_memory()
    gc.enable()
    try:
        return int(command.run(parsed))
    except (*shared.FAILURES, *getattr(command, "FAILURES", ())) as error:
        print(f"{program()}: {error}", file=sys.stderr)
        return 2 if shared.is_wrong_argument(error) and not isinstance(error, getattr(command, "FAULTS", ())) else 1
    except KeyboardInterrupt:
        print(f"{program()}: interrupted; nothing was written.", file=sys.stderr)
        return 130


def program_entry() -> int:
    """Run the command line as a program of its own; returns its exit status."""
    gc.disable()  # until the command begins: collecting while everything is imported finds nothing and takes time
    status = main()
    gc.freeze()  # or the interpreter would look through all of torch once more before it ends
    return status
