# A node, and nothing else: a static program that runs as nobody in particular. Without settings it says which ones it needs to
# be reached from outside.

FROM golang:1.26 AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 go build -trimpath -o bin/pushstreamd ./cmd/pushstreamd

FROM scratch
# Whom to trust when Redis speaks TLS.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /src/bin/pushstreamd /pushstreamd
# A number, for whoever has to see that it is not root. It needs no entry in /etc/passwd, and writes nothing.
USER 65532:65532
ENV PUSHSTREAM_LISTEN=:8080
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["/pushstreamd", "health"]
ENTRYPOINT ["/pushstreamd"]
