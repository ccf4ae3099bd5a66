# The dependencies are a layer of their own: they are built again only when the manifest changes.
FROM rust:1-bookworm AS build
WORKDIR /deploylog
COPY Cargo.toml Cargo.lock ./
RUN mkdir src && echo 'fn main() {}' > src/main.rs && touch src/lib.rs \
 && cargo build --release --locked && rm -r src
COPY sql sql
COPY src src
# The stand-ins above may be newer than the sources.
RUN touch src/main.rs src/lib.rs && cargo build --release --locked

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /deploylog/target/release/deploylog /usr/local/bin/deploylog
# In here, loopback is the container's own. On all addresses it starts once there is a token, or with DEPLOYLOG_OPEN=true.
ENV DEPLOYLOG_LISTEN=0.0.0.0:5000
EXPOSE 5000
HEALTHCHECK --interval=5s --timeout=4s --start-period=30s CMD ["deploylog", "healthcheck"]
ENTRYPOINT ["deploylog"]
