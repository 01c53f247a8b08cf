#!/usr/bin/env bash
# One task a node; torchrun starts a process for every GPU: sbatch --nodes=8 launch/slurm.sh lingshu_7b [key=value ...]
# An installed lingshu brings this file along: sbatch --nodes=8 "$(lingshu --where launch)/slurm.sh" lingshu_7b
#SBATCH --job-name=lingshu
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --exclusive
#SBATCH --signal=SIGTERM@300
#SBATCH --requeue
set -euo pipefail
head="$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)"
exec srun --kill-on-bad-exit=1 torchrun \
  --nnodes="$SLURM_NNODES" --nproc-per-node="${SLURM_GPUS_ON_NODE:-8}" \
  --rdzv-backend=c10d --rdzv-endpoint="$head:29500" --rdzv-id="$SLURM_JOB_ID" \
  -m lingshu_train "$@"
