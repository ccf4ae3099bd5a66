# The dependencies are built in their own layer, which is rebuilt only if the manifest changes.
FROM rust:1-bookworm AS build
WORKDIR /deploylog
COPY Cargo.toml Cargo.lock ./
RUN mkdir src && echo 'fn main() {}' > src/main.rs && touch src/lib.rs \
 && cargo build --release --locked && rm -r src
COPY sql sql
COPY src src
# The placeholder sources above can be newer than the real ones.
RUN touch src/main.rs src/lib.rs && cargo build --release --locked

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /deploylog/target/release/deploylog /usr/local/bin/deploylog
# Clients cannot reach the loopback address of the container. On all addresses, the service starts only if a token exists
# or DEPLOYLOG_OPEN=true and DEPLOYLOG_ALLOW_HOST are set.
ENV DEPLOYLOG_LISTEN=0.0.0.0:5000
EXPOSE 5000
HEALTHCHECK --interval=5s --timeout=4s --start-period=30s CMD ["deploylog", "healthcheck"]
ENTRYPOINT ["deploylog"]
