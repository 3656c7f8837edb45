"""`python -m nib_utils run ...` and `download-cc ...`"""
import sys

from .batch.run import main

sys.exit(main())
