# The image holds one static program, the certificates that it trusts, and an empty directory for its
# state. There is no shell and no package in it.
#
#	docker build -t pandadoc-auth-proxy --build-arg VERSION=0.1.0 .
#
# It listens on loopback, which is right for a sidecar: the containers of a pod share it. To publish a port
# (docker run -p), give --listen and a client key; see docs/deployment.md.

# The compiler runs on the platform of the build machine, also when the image is for another platform.
FROM --platform=$BUILDPLATFORM golang:1.26 AS build
ARG TARGETOS TARGETARCH
ARG VERSION=devel
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# Without file paths and version control data, the same source gives the same binary on every machine.
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -buildvcs=false \
	-ldflags="-s -w -X main.version=$VERSION" -o /out/root/pandadoc-auth-proxy .
# COPY loses the mode of the directory that it copies, but keeps the modes of the directories inside it. So
# everything is below one directory. Its times are fixed, so that the same source gives the same layer.
RUN mkdir -p /out/root/etc/ssl/certs && \
	cp /etc/ssl/certs/ca-certificates.crt /out/root/etc/ssl/certs/ && \
	mkdir -m 0700 /out/root/state && chown 65532:65532 /out/root/state && \
	mkdir -m 1777 /out/root/tmp && \
	find /out/root -exec touch -h -d '@0' {} +

FROM scratch
ARG VERSION=devel
LABEL org.opencontainers.image.title="pandadoc-auth-proxy" \
	org.opencontainers.image.description="A local reverse proxy that authenticates requests to the PandaDoc API" \
	org.opencontainers.image.licenses="MIT" \
	org.opencontainers.image.version="$VERSION"
# /state is for the token store, /tmp for copies of large request bodies and for emergency files.
COPY --from=build /out/root/ /

# A numeric user, so that Kubernetes can check that it is not root (runAsNonRoot).
USER 65532:65532
ENV PANDADOC_STORE=file:/state
VOLUME /state
EXPOSE 8080 8081
STOPSIGNAL SIGTERM
# Liveness only: a container that waits for a login must count as healthy, otherwise it is restarted and
# nobody can sign in.
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 \
	CMD ["/pandadoc-auth-proxy", "healthcheck"]
ENTRYPOINT ["/pandadoc-auth-proxy"]
