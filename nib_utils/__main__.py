"""`python -m nib_utils run ...`"""
import sys

from .run import main

sys.exit(main())
