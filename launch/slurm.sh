#!/usr/bin/env bash
# One task a node, which starts a process for every GPU: sbatch --nodes=8 launch/slurm.sh lingshu_7b [key=value ...]
# An installed lingshu brings this file along: sbatch --nodes=8 "$(lingshu --where launch)/slurm.sh" lingshu_7b
# It is queued again by itself at the time limit and whenever the run says "run me again" (75), at most LINGSHU_REQUEUES times.
# PYTHON: the interpreter that has lingshu; else the one first on PATH at the time of sbatch.
#SBATCH --job-name=lingshu
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --exclusive
#SBATCH --open-mode=append
#SBATCH --requeue
# To this script alone, which passes it on: ten minutes for the step and the checkpoint (cluster.grace), and one for Slurm's
# clock. Another grace wants another lead: sbatch --signal=B:TERM@1260 for cluster.grace=1200. A time limit has to be longer.
#SBATCH --signal=B:TERM@660
set -uo pipefail
AGAIN=75
python="${PYTHON:-$(command -v python3 || command -v python)}"
"$python" -c 'import lingshu_train' || { echo "lingshu: $python has no lingshu; set PYTHON=/path/to/.venv/bin/python" >&2; exit 66; }
head="$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)"
# Two jobs that share the head node do not meet: the port goes by the job, and by its life should one be taken.
port=$((20000 + (SLURM_JOB_ID + 997 * ${SLURM_RESTART_COUNT:-0}) % 12000))

srun --kill-on-bad-exit=0 --open-mode=append bash -c '
  exec "$0" -m lingshu_train.running.machines --machine="$SLURM_NODEID" "$@"' "$python" \
  --machines="$SLURM_NNODES" --ranks="${SLURM_GPUS_ON_NODE:-8}" --meet="$head:$port" \
  --id="$SLURM_JOB_ID.${SLURM_RESTART_COUNT:-0}" "$@" &
step=$!
trap 'scancel --signal=TERM "$SLURM_JOB_ID.0"' TERM
wait "$step"
# A signal ends `wait` early; wait again for the step itself, and ask for its code last: it may end while the signal is passed on.
while kill -0 "$step" 2>/dev/null; do wait "$step"; done
wait "$step"
code=$?

if [ "$code" = "$AGAIN" ] && [ "${SLURM_RESTART_COUNT:-0}" -lt "${LINGSHU_REQUEUES:-100}" ]; then
  echo "lingshu: job $SLURM_JOB_ID is queued again" >&2
  scontrol requeue "$SLURM_JOB_ID" && sleep 60
fi
exit "$code"
