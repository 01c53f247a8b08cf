"""`python -m lingshu_train RECIPE [key=value ...]`, the form for torchrun; any verb works too."""

import sys

from lingshu_train import cli

arguments = sys.argv[1:]
if arguments and arguments[0] not in (*cli.names(), *cli.PLAIN) and not arguments[0].startswith("-"):
    arguments = ["run", *arguments]
sys.exit(cli.main(arguments))
