# sketch2img on CPUs.
#
#     docker build --build-arg TORCH_INDEX=ADDRESS -t sketch2img .
#     docker run --rm -v "$PWD:/pictures" -v sketch2img:/data sketch2img generate in.png out.png
#
# ADDRESS is where PyTorch keeps its CPU wheels, as its installation page names it: elsewhere, pip
# finds the CUDA build on Linux, gigabytes that a CPU has no use for. For GPUs: Dockerfile.cuda.
FROM python:3.11-slim-bookworm AS build
ARG TORCH_INDEX=""
WORKDIR /source
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY scripts/check_opencv.py scripts/check_opencv.py
COPY man man
COPY src src
RUN python -m venv /opt/sketch2img
ENV PATH=/opt/sketch2img/bin:$PATH
# The image lacks the desktop's libraries: check_opencv.py puts OpenCV without windows in its place.
RUN pip install --no-cache-dir --constraint constraints.txt \
    ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} . \
    && python scripts/check_opencv.py \
    && python -c "import torch; exit('a CUDA build of torch: name TORCH_INDEX' if torch.version.cuda else 0)"

FROM python:3.11-slim-bookworm
COPY --from=build /opt/sketch2img /opt/sketch2img
ENV PATH=/opt/sketch2img/bin:$PATH SKETCH2IMG_HOME=/data
RUN useradd --create-home --uid 1000 sketch2img && install --directory --owner=1000 /data /pictures
USER 1000
VOLUME /data
WORKDIR /pictures
ENTRYPOINT ["sketch2img"]
CMD ["--help"]
