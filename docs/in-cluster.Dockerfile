# The command alone, for a Job in a cluster: docs/in-cluster.md.
FROM rust:1 AS build
COPY . /src
RUN cargo install --locked --path /src/cli --root /out
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /out/bin/winconform /winconform
ENTRYPOINT ["/winconform"]
