"""`python -m sketchcli`: the same as `sketch2img`."""

import sys

from sketchcli.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
