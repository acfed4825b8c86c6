# The Batch image: one image for both jobs, told apart by their command.
FROM python:3.12-slim-bookworm AS build
COPY . /src
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels /src

FROM python:3.12-slim-bookworm
COPY --from=build /wheels /wheels
RUN pip install --no-cache-dir "$(ls /wheels/tilepool-*.whl)[worker,manifests]" \
    && rm -r /wheels \
    && useradd --system --uid 10001 tilepool
USER tilepool
ENV PYTHONSAFEPATH=1 PYTHONUNBUFFERED=1
ENTRYPOINT ["python", "-m"]
CMD ["worker"]
