"""Measurements are no part of the wheel. Their folder comes last: all else is the wheel's."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2]))
