"""The command line: ``python -m samp_core explain IMAGE --method samp++ --out DIR``."""

import sys

from samp_core.cli import program_entry

if __name__ == "__main__":
    sys.exit(program_entry())
