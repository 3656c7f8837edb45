"""`python -m nib_utils run ...`, `explain ...` and `stream ...`"""
import sys

from .apps.shell import main

sys.exit(main())
