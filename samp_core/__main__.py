"""The command line: ``python -m samp_core explain IMAGE --method samp++ --out DIR``."""

import sys

from samp_core.cli import main

if __name__ == "__main__":
    sys.exit(main())
