"""`python -m nib_utils run ...`, `explain ...` and `download-cc ...`"""
import sys

from .apps.shell import main

sys.exit(main())
