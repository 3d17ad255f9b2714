# steadygan on CPUs, for trying it and for CI: docker build -t steadygan . && docker run --rm -v "$PWD:/work" steadygan train
# torch comes from its index of CPU wheels, which saves about 3 GB of CUDA libraries.
FROM python:3.12-slim

RUN useradd --create-home --uid 1000 steady && mkdir /work && chown steady /work
COPY . /src
RUN pip install --no-cache-dir torch torchvision --index-url https://download.pytorch.org/whl/cpu \
    && pip install --no-cache-dir /src && rm -rf /src

USER steady
WORKDIR /work
ENV MPLCONFIGDIR=/tmp/matplotlib
ENTRYPOINT ["steadygan"]
CMD ["--help"]
