#!/bin/sh
# Builds the Kitex servers and the client of the tests into a folder: build.sh OUT
# Needs Go >= 1.24 and the module proxy; the code generator is a module dependency like the others.
# Status 75: the modules could not be fetched, so it is worth another try some other day.
set -eu
mkdir -p "$1"
out=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -R "$here/." "$work"
cp "$here/../../idl/book.thrift" "$work/idl"
cd "$work"
# The module files are complete: nothing may change them, and no other Go is fetched.
export GOFLAGS=-mod=readonly GOTOOLCHAIN=local GOWORK=off
go mod download || exit 75
mkdir bin
go build -o bin tool
for idl in idl/*.thrift; do
    bin/kitex -module peers "$idl"
done
go build -trimpath -buildvcs=false -o "$out" ./server ./client ./replay
