"""`python -m sketchcli` does the same as the command `sketch2img`."""

import sys

from sketchcli.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
