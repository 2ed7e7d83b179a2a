# lakemesh: the command `lake` with a project's definitions, as an ordinary user.
FROM python:3.12-slim-bookworm

RUN useradd --uid 10001 --create-home lake
WORKDIR /project
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY lake lake
COPY ingest ingest
COPY app app
RUN pip install --no-cache-dir --constraint constraints.txt '.[trino]'
COPY config.yaml ./
COPY models models
COPY macros macros
COPY audits audits
COPY signals signals
COPY linter linter
COPY external_models external_models
RUN mkdir -p .lake && chown -R lake:lake /project

USER lake
ENTRYPOINT ["lake"]
CMD ["--help"]
