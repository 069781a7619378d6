"""`python -m tests.faults.command …`: a command of regularize."""

import sys

from jobs.commands.cli import main

if __name__ == "__main__":
    sys.exit(main())
