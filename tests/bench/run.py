"""`make bench`: measures on real parts and prints every figure beside its mark.

Only a starter, so that `python tests/bench/run.py` finds the repository's other files.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.bench.cli import main

if __name__ == "__main__":
    main()
