# lingshu in a container, with the exact packages of the lock file. No data and no weights are in the image.
#   docker build --target cpu -t lingshu:cpu .
#   docker build --target cuda -t lingshu:cuda .
#   docker run --rm -u "$(id -u):$(id -g)" -v "$PWD:/project" lingshu:cpu run quickstart
#   docker run --rm -u "$(id -u):$(id -g)" -v "$PWD:/project" --gpus all --ipc=host lingshu:cuda run RECIPE
ARG PYTHON=3.11

FROM python:${PYTHON}-slim-bookworm AS base
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONUNBUFFERED=1 \
    DS_BUILD_OPS=0 HF_HUB_DISABLE_TELEMETRY=1 HF_HOME=/cache/huggingface \
    HOME=/cache USER=lingshu LOGNAME=lingshu
# Whoever runs it, under whatever number, can write here: `-u` makes the files in the project the caller's own.
RUN useradd --system --uid 1000 --home-dir /cache lingshu && \
    mkdir --mode 1777 /cache && mkdir --mode 1777 /project
WORKDIR /build
COPY requirements.lock ./

FROM base AS wheel
RUN grep -E '^(hatchling|packaging|pathspec|pluggy|tomlkit|trove-classifiers)==' requirements.lock > builder.lock && \
    pip install -r builder.lock
COPY pyproject.toml README.md LICENSE ./
COPY lingshu_train lingshu_train
COPY recipes recipes
COPY data_cards data_cards
COPY launch launch
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /dist .

# torch's build without CUDA has an index of its own; every other package comes as the lock file says.
FROM base AS cpu
RUN pip install --index-url https://download.pytorch.org/whl/cpu "$(grep '^torch==' requirements.lock)" && \
    pip install -r requirements.lock
RUN --mount=type=bind,from=wheel,source=/dist,target=/dist pip install --no-deps /dist/*.whl
USER 1000
WORKDIR /project
ENTRYPOINT ["lingshu"]
CMD ["--help"]

# torch brings the CUDA libraries as packages; the host gives the driver (NVIDIA Container Toolkit). The compiler is for
# kernels that torch and DeepSpeed build when they are first used.
FROM base AS cuda
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends g++ ninja-build && \
    rm -rf /var/lib/apt/lists/*
RUN pip install -r requirements.lock
RUN --mount=type=bind,from=wheel,source=/dist,target=/dist pip install --no-deps /dist/*.whl
USER 1000
WORKDIR /project
ENTRYPOINT ["lingshu"]
CMD ["--help"]
