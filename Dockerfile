# The Batch image: one image for both jobs, told apart by their command. See docs/image.md.
# What it is built on can be pinned: --build-arg PYTHON_IMAGE=python:3.13-slim-trixie@sha256:…
ARG PYTHON_IMAGE=python:3.13-slim-trixie

# What tilepool needs: made anew only where a lock has changed.
FROM ${PYTHON_IMAGE} AS dependencies
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_PROGRESS_BAR=off
WORKDIR /build
COPY image/build.lock image/runtime.lock image/trim.sh ./
RUN python -m venv tools \
    && tools/bin/pip install --require-hashes --only-binary=:all: --requirement=build.lock
# Wheels only, but for pyvips, which is Python alone; libvips is in pyvips-binary.
RUN tools/bin/pip wheel --require-hashes --no-deps --no-build-isolation \
    --only-binary=:all: --no-binary=pyvips --wheel-dir=wheels --requirement=runtime.lock
RUN python -m venv --without-pip /opt/tilepool \
    && tools/bin/pip --python=/opt/tilepool/bin/python install \
    --no-index --no-deps --no-compile wheels/*.whl \
    && sh -eu trim.sh /opt/tilepool \
    && python -m compileall -q --invalidation-mode=unchecked-hash /opt/tilepool/lib

# tilepool itself. The second command fails where the lock does not fit pyproject.toml.
FROM dependencies AS project
COPY . project/
RUN tools/bin/pip wheel --no-index --no-deps --no-build-isolation --wheel-dir=dist ./project \
    && tools/bin/pip --python=/opt/tilepool/bin/python install \
    --no-index --dry-run "$(echo dist/*.whl)[worker,manifests]" \
    && tools/bin/pip --python=/opt/tilepool/bin/python install \
    --no-index --no-deps --no-compile --prefix=/opt/project dist/*.whl \
    && python -m compileall -q --invalidation-mode=unchecked-hash /opt/project/lib

FROM ${PYTHON_IMAGE}
# The user owns the scratch alone; nobody becomes root by a program that is root's.
RUN groupadd --gid 10001 tilepool \
    && useradd --uid 10001 --gid 10001 --no-log-init --no-create-home \
    --home-dir /scratch --shell /usr/sbin/nologin tilepool \
    && install --directory --owner=10001 --group=10001 --mode=0700 /scratch \
    && find / -xdev -type f -perm /6000 -exec chmod a-s {} +
COPY --from=dependencies /opt/tilepool /opt/tilepool
COPY --from=project /opt/project/lib /opt/tilepool/lib
# The base image's standard library comes uncompiled: what the jobs use of it is compiled here.
RUN /opt/tilepool/bin/python -P -c "import boto3, manifest_builder.build, worker.loop, worker.page"
# From here on /scratch alone is written to.
ENV PATH=/opt/tilepool/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONSAFEPATH=1 \
    PYTHONUNBUFFERED=1 \
    TMPDIR=/scratch
ARG PYTHON_IMAGE
ARG SOURCE=
ARG VERSION=
ARG REVISION=
LABEL org.opencontainers.image.title="tilepool" \
    org.opencontainers.image.description="Tiles scans and builds IIIF manifests, as AWS Batch jobs" \
    org.opencontainers.image.licenses="MIT" \
    org.opencontainers.image.source="${SOURCE}" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}" \
    org.opencontainers.image.base.name="${PYTHON_IMAGE}"
USER 10001:10001
WORKDIR /scratch
# Docker makes it anew for each container, owned as above, also on a read-only root filesystem.
VOLUME /scratch
# Batch's own init reaps processes and passes signals on (initProcessEnabled); no other is needed.
# No HEALTHCHECK: Batch ignores it, and each worker watches its own processes.
ENTRYPOINT ["python", "-m"]
CMD ["worker"]
