# The image holds one static program, the certificates that it trusts, and an empty directory for its
# state. There is no shell and no package in it.
#
#	docker build -t pandadoc-auth-proxy .
#
# It listens on loopback, which is right for a sidecar: containers of one pod share it. To publish a port
# (docker run -p), give --listen and a client key; see the README.

FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# Without paths and version control data, the same source gives the same bytes everywhere.
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags='-s -w' -o /out/pandadoc-auth-proxy .
# COPY keeps the mode: this is how an image without a shell gets a private directory.
RUN mkdir -m 0700 /out/state && mkdir -m 1777 /out/tmp

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build --chown=65532:65532 /out/state /state
# For copies of large request bodies, and for a rotation that cannot be saved at the end.
COPY --from=build /out/tmp /tmp
COPY --from=build /out/pandadoc-auth-proxy /pandadoc-auth-proxy

# A number, so that Kubernetes can see that it is not root (runAsNonRoot).
USER 65532:65532
ENV PANDADOC_STORE=file:/state
VOLUME /state
EXPOSE 8080 8081
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 \
	CMD ["/pandadoc-auth-proxy", "healthcheck"]
ENTRYPOINT ["/pandadoc-auth-proxy"]
