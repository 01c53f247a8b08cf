"""`python -m lingshu_train RECIPE [key=value ...]`, the form for torchrun; any verb works too."""

import sys

from lingshu_train.cli import VERBS, main

arguments = sys.argv[1:]
if arguments and arguments[0] not in VERBS and not arguments[0].startswith("-"):
    arguments = ["run", *arguments]
sys.exit(main(arguments))
