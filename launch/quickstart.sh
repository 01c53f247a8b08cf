#!/usr/bin/env bash
# The main job: set up, then run the recipe `quickstart`. Run it again to go on, or to find everything done.
# Further arguments are recipe overrides: ./launch/quickstart.sh seed=1 output=runs/seed1
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
prepare requirements.lock
exec "$VENV/bin/lingshu" run quickstart "$@"
