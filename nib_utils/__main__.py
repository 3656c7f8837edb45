"""`python -m nib_utils run ...` and `download-cc ...`"""
import sys

from .run import main

sys.exit(main())
