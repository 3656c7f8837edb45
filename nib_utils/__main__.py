"""`python -m nib_utils run ...`, `explain ...` and `download-cc ...`"""
import sys

from .batch.shell import main

sys.exit(main())
